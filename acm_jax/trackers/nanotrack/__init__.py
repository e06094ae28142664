"""NanoTrack: SiamBAN's points at stride 16, on a light network."""

from acm_jax.trackers.nanotrack.tracker import make

__all__ = ['make']
