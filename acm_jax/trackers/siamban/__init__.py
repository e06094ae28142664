"""SiamBAN, which classifies locations and predicts boxes without anchors."""

from acm_jax.trackers.siamban.tracker import make

__all__ = ['make']
