"""TFDS builder of TrackingNet."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builds the tracks read by `acm_jax.datasets.sources.trackingnet`."""

  SOURCE = 'trackingnet'
