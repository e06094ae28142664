"""TFDS builder of ImageNet VID."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builds the tracks read by `acm_jax.datasets.sources.imagenet_vid`."""

  SOURCE = 'imagenet_vid'
