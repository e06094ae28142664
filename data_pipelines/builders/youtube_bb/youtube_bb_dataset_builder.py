"""TFDS builder of YouTube-BoundingBoxes."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `acm_jax.datasets.sources.youtube_bb` reads them."""

  SOURCE = 'youtube_bb'
