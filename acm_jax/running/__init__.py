"""Runs trackers: where models and baselines meet protocols and video."""
