"""TFDS builder of LaSOT."""
