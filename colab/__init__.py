"""Notebooks, and their execution for tests and documentation."""
