"""Siamese visual object tracking with asymmetric convolution, in JAX."""
