"""TFDS builder of Folder of sequences."""
