"""TFDS builder of DAVIS."""
