"""Folders of sound as collections that are asked in words, by sound and by place."""
