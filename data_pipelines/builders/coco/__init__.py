"""TFDS builder of COCO 2017."""
