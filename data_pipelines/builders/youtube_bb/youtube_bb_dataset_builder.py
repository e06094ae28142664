"""TFDS builder of YouTube-BoundingBoxes."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builds the tracks read by `acm_jax.datasets.sources.youtube_bb`."""

  SOURCE = 'youtube_bb'
