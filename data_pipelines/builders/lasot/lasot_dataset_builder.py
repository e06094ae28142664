"""TFDS builder of LaSOT."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder of tracks that `acm_jax.datasets.sources.lasot` reads."""

  SOURCE = 'lasot'
