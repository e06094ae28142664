"""TFDS builder of YouTube-BoundingBoxes."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder that reads tracks with `acm_jax.datasets.sources.youtube_bb`."""

  SOURCE = 'youtube_bb'
