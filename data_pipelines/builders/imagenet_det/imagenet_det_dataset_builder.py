"""TFDS builder of ImageNet DET."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builds the tracks read by `acm_jax.datasets.sources.imagenet_det`."""

  SOURCE = 'imagenet_det'
