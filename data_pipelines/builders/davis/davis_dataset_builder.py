"""TFDS builder of DAVIS."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder of tracks that `acm_jax.datasets.sources.davis` reads."""

  SOURCE = 'davis'
