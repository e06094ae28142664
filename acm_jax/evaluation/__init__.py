"""Scores of tracking results: plain NumPy on boxes, no compiler."""
