"""Captioned source sounds: one file a data set, each an iterator of `Clip`."""
