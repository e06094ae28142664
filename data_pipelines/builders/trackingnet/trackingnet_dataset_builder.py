"""TFDS builder of TrackingNet."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `data_pipelines.sources.trackingnet` reads them."""

  SOURCE = 'trackingnet'
