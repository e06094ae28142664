"""Geometry of boxes, grids and crops, for both NumPy and JAX arrays."""
