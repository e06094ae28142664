"""TFDS builder of Folder of sequences."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `data_pipelines.sources.folder` reads them."""

  SOURCE = 'folder'
