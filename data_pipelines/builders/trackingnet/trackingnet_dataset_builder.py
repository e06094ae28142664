"""TFDS builder of TrackingNet."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `acm_jax.datasets.sources.trackingnet` reads them."""

  SOURCE = 'trackingnet'
