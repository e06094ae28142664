"""Arithmetic on boxes, grids and crops, for NumPy and JAX arrays alike."""
