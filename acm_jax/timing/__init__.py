"""Timing of operators, steps and input, side by side in one run."""
