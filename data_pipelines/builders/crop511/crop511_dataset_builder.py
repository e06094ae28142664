"""TFDS builder of crop511."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder of tracks that `acm_jax.datasets.sources.crop511` reads."""

  SOURCE = 'crop511'
