"""TFDS builder of a folder of sequences."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder that reads tracks with `acm_jax.datasets.sources.folder`."""

  SOURCE = 'folder'
