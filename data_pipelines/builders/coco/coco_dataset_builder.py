"""TFDS builder of COCO 2017."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder that reads tracks with `acm_jax.datasets.sources.coco`."""

  SOURCE = 'coco'
