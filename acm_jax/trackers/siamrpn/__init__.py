"""SiamRPN and SiamRPN++, which classify and regress anchors."""

from acm_jax.trackers.siamrpn.tracker import make

__all__ = ['make']
