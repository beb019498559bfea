"""Making spatial sound with words: rooms, captions, rendering, sets of scenes."""
