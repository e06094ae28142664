"""TFDS builder of a folder of sequences."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder of tracks that `acm_jax.datasets.sources.folder` reads."""

  SOURCE = 'folder'
