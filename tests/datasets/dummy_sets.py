"""Functions that write the dummy files of training sets and read tracks."""

import cv2
import numpy as np

from acm_jax.datasets import sources, trees
from acm_jax.datasets.track import Track
from data_pipelines.builders import dummy_data

WRITERS = {write.__name__: write for write in dummy_data.SETS}


def read(name, root) -> dict[str, Track]:
  """Reads the tracks of a set; keys are the tracks' names."""
  tree, source = trees.open_tree(root), sources.make(name)
  tracks = {}
  for unit in source.units(tree):
    for track in source.tracks(tree, unit):
      assert track.name not in tracks
      tracks[track.name] = track
  return tracks


def boxes(track: Track) -> list[list[float]]:
  """Returns the boxes of a track as lists."""
  return track.box_xywh.tolist()


def image(number: int) -> np.ndarray:
  """Decodes dummy image `number` to RGB."""
  data = np.frombuffer(dummy_data.image(number), np.uint8)
  return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
