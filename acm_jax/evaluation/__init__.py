"""Scores tracking results. Uses NumPy without JAX, so nothing is compiled."""
