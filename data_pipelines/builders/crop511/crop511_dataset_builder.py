"""TFDS builder of crop511."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder that reads tracks with `acm_jax.datasets.sources.crop511`."""

  SOURCE = 'crop511'
