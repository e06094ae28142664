"""TFDS builder of LaSOT."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builds the tracks read by `acm_jax.datasets.sources.lasot`."""

  SOURCE = 'lasot'
