"""Composed sequences: cutouts of objects, rendered over photographs on demand.

A library of cutouts and photographs is written once (`acm-jax composed`).
`composed_set.ComposedSet` then renders sequences in which a cutout moves over a
photograph, among other objects of its class and behind occluders. Given the
library, a frame depends only on the seed, the number of the sequence and the
number of the frame.

Source: cut-and-paste synthesis of Dwibedi et al. (arXiv:1708.01642), extended
from images to sequences.
"""
