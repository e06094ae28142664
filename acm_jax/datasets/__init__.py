"""Readers of published data sets: tracking benchmarks and training sets."""
