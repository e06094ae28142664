"""TFDS builder of ImageNet VID."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder of tracks that `acm_jax.datasets.sources.imagenet_vid` reads."""

  SOURCE = 'imagenet_vid'
