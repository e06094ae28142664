"""SiamRPN and SiamRPN++: classification and regression of anchors."""

from acm_jax.trackers.siamrpn.tracker import make

__all__ = ['make']
