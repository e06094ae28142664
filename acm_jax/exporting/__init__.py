"""Exports trackers as graphs that other runtimes execute."""

from acm_jax.exporting.folder import write

__all__ = ['write']
