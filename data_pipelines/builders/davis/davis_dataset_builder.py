"""TFDS builder of DAVIS."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `data_pipelines.sources.davis` reads them."""

  SOURCE = 'davis'
