"""TFDS builder of YouTube-BoundingBoxes."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Builder of tracks that `acm_jax.datasets.sources.youtube_bb` reads."""

  SOURCE = 'youtube_bb'
