"""Experiments as plain data: one file per tracker and fusion."""
