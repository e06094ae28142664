"""Composed sequences: objects cut out of photographs, drawn when asked for.

A library of cutouts and photographs is written once (`python -m
data_pipelines.composed`); `composed_set.ComposedSet` gives the frames of
sequences in which a cutout moves over a photograph among others of its class
and behind things. A frame is a pure function of seed, sequence and frame.

Source: cutting and pasting of Dwibedi et al. (arXiv:1708.01642), moved.
"""
