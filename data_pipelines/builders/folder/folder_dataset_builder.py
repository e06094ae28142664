"""TFDS builder of Folder of sequences."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `acm_jax.datasets.sources.folder` reads them."""

  SOURCE = 'folder'
