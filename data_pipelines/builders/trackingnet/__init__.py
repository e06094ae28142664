"""TFDS builder of TrackingNet."""
