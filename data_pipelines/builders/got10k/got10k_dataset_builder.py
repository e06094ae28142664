"""TFDS builder of GOT-10k."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder that reads tracks with `acm_jax.datasets.sources.got10k`."""

  SOURCE = 'got10k'
