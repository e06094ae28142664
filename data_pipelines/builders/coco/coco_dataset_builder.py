"""TFDS builder of COCO 2017."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `data_pipelines.sources.coco` reads them."""

  SOURCE = 'coco'
