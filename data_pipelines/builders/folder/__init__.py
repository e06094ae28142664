"""TFDS builder of a folder of sequences."""
