"""TFDS builder of GOT-10k."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `acm_jax.datasets.sources.got10k` reads them."""

  SOURCE = 'got10k'
