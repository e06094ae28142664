"""Conversion of PyTorch weights to variables of this library's networks."""
