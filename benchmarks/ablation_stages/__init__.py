"""Stages of `benchmarks/ablation.py`."""
