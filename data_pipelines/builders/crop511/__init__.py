"""TFDS builder of crop511."""
