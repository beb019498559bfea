"""Losses, data and the loop that make a checkpoint."""
