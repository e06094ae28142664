"""TFDS builder of LaSOT."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder that reads tracks with `acm_jax.datasets.sources.lasot`."""

  SOURCE = 'lasot'
