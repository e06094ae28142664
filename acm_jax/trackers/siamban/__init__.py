"""SiamBAN: classification and box distances at points, without anchors."""

from acm_jax.trackers.siamban.tracker import make

__all__ = ['make']
