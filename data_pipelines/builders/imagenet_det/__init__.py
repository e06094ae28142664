"""TFDS builder of ImageNet DET."""
