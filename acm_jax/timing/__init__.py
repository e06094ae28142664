"""Timing of alternative implementations of operators, steps and input."""
