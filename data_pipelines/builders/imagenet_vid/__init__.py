"""TFDS builder of ImageNet VID."""
