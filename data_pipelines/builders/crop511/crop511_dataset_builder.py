"""TFDS builder of crop511."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builds the tracks read by `acm_jax.datasets.sources.crop511`."""

  SOURCE = 'crop511'
