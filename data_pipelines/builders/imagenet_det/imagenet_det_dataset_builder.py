"""TFDS builder of ImageNet DET."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `acm_jax.datasets.sources.imagenet_det` reads them."""

  SOURCE = 'imagenet_det'
