"""What a signal is: first-order ambisonics, files and their formats, acoustics of a response."""
