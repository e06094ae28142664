"""Weights of the PyTorch trackers, read into our variables."""
