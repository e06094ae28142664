"""TFDS builder of DAVIS."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `acm_jax.datasets.sources.davis` reads them."""

  SOURCE = 'davis'
