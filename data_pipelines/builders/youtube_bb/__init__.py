"""TFDS builder of YouTube-BoundingBoxes."""
