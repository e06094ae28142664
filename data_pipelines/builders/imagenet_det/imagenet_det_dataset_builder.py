"""TFDS builder of ImageNet DET."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder of tracks that `acm_jax.datasets.sources.imagenet_det` reads."""

  SOURCE = 'imagenet_det'
