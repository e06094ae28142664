"""TFDS builder of GOT-10k."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder of tracks that `acm_jax.datasets.sources.got10k` reads."""

  SOURCE = 'got10k'
