"""NanoTrack, a light network of stride 16 with the outputs of SiamBAN."""

from acm_jax.trackers.nanotrack.tracker import make

__all__ = ['make']
