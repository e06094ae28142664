"""Timing of operators, training and tracking steps, and the input pipeline."""
