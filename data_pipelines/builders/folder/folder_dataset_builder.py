"""TFDS builder of a folder of sequences."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builds the tracks read by `acm_jax.datasets.sources.folder`."""

  SOURCE = 'folder'
