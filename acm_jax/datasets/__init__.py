"""Readers of published data sets: benchmarks to measure, sets to train on."""
