"""TFDS builder of COCO 2017."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder of tracks that `acm_jax.datasets.sources.coco` reads."""

  SOURCE = 'coco'
