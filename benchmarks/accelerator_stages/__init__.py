"""Stages of `benchmarks.accelerator`, which measure or train.

A stage is a module with a function `rows(settings)` that yields its results row
by row, as plain values. `runner` runs each stage in its own process.
"""
