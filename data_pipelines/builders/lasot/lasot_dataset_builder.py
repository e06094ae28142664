"""TFDS builder of LaSOT."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `acm_jax.datasets.sources.lasot` reads them."""

  SOURCE = 'lasot'
