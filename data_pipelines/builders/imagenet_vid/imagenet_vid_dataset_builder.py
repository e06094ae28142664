"""TFDS builder of ImageNet VID."""

from data_pipelines.builders.track_builder import TrackBuilder


class Builder(TrackBuilder):
  """Tracks as `data_pipelines.sources.imagenet_vid` reads them."""

  SOURCE = 'imagenet_vid'
