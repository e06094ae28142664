"""SiamFC, which searches for the best match at three scales."""

from acm_jax.trackers.siamfc.tracker import make

__all__ = ['make']
