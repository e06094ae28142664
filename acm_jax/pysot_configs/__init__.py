"""Conversion of experiments of pysot, siamban and NanoTrack to configs."""
