"""Tracks with exported trackers in other runtimes, without JAX."""

from acm_jax.exported.tracker import ExportedTracker, load

__all__ = ['ExportedTracker', 'load']
