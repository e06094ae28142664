"""Stages of `benchmarks.accelerator`: measurements, and a training run.

A stage is a module with a function `rows(settings)`, which yields the results
as rows of plain values. `runner` runs each stage in its own process.
"""
