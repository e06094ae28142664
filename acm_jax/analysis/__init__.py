"""Analyses of how trackers fuse the template with the search region."""
