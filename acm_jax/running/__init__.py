"""Runs models and baselines on benchmarks and videos."""
