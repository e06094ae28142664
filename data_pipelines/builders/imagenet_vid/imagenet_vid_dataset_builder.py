"""TFDS builder of ImageNet VID."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `acm_jax.datasets.sources.imagenet_vid` reads them."""

  SOURCE = 'imagenet_vid'
