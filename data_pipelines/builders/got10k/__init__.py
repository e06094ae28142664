"""TFDS builder of GOT-10k."""
