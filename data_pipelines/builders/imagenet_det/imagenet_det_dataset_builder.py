"""TFDS builder of ImageNet DET."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder that reads tracks with `acm_jax.datasets.sources.imagenet_det`."""

  SOURCE = 'imagenet_det'
