"""Scoring of tracking results, in NumPy only, so that nothing is compiled."""
