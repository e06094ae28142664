"""Configs of experiments as plain data, one file per tracker and fusion."""
