"""TFDS builder of crop511."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `acm_jax.datasets.sources.crop511` reads them."""

  SOURCE = 'crop511'
