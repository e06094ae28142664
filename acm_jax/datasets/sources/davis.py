"""DAVIS 2016 and 2017 at 480p.

    JPEGImages/480p/<video>/%05d.jpg, Annotations/480p/<video>/%05d.png

Boxes are in 0-based pixel coordinates. All videos are read, including the
validation set. Before an evaluation on the validation set, exclude its videos
from training with `acm-jax prepare --exclude`. Every object in the masks is a
target; its box is the bounding box of its mask. If boxes/<video>.txt exists,
the video has one target, with the boxes x,y,w,h in this file.

Source: Pont-Tuset et al. (arXiv:1704.00675).
"""

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import UInt8

from acm_jax.datasets import image_files
from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, find, join


def units(tree: Tree) -> Iterator[Unit]:
  """Yields every video."""
  root = find(tree, 'JPEGImages')
  videos = (
    tree.folders(join(root, 'JPEGImages/480p')) if root is not None else []
  )
  if not videos:
    raise FileNotFoundError(
      f'{tree.where("JPEGImages/480p")}: contains no videos; choose the root '
      'folder of DAVIS'
    )
  for name in videos:
    yield Unit(name, root)


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the objects of a video."""
  root, name = unit.handle, unit.name
  files = source.numbered(tree, join(root, 'JPEGImages/480p', name))
  rows = join(root, 'boxes', f'{name}.txt')
  if rows in tree:
    boxes = source.boxes(tree, rows)
    return [source.track(tree, name, files, boxes, tree.where(rows))]
  mask_files = source.numbered(tree, join(root, 'Annotations/480p', name))
  if unmatched := sorted(mask_files.keys() - files.keys()):
    raise ValueError(
      f'{tree.where(mask_files[unmatched[0]])}: this mask has no image with '
      f'the same number; add the image to JPEGImages/480p/{name}'
    )
  # An image without a mask file shows no target.
  found = [
    _boxes(tree, mask_files[i]) if i in mask_files else {} for i in files
  ]
  nothing = np.full(4, np.nan)
  return [
    source.picked(
      tree,
      f'{name}.{number}',
      list(files.values()),
      np.array([boxes.get(number, nothing) for boxes in found]),
      list(files),
    )
    for number in sorted(set().union(*found))
  ]


def masks(tree: Tree, name: str) -> dict[int, UInt8[np.ndarray, 'h w']]:
  """Reads the masks of the objects in an annotation image.

  Returns:
    A dictionary from the numbers of the objects to their masks, which are 1 on
    the object and 0 elsewhere.

  Raises:
    OSError: The file does not exist.
    ValueError: The file cannot be decoded.
  """
  index = image_files.stored(source.File(tree, name))
  if index.ndim == 3:
    index = _palette_index(index[..., ::-1])
  return {
    int(number): (index == number).astype(np.uint8)
    for number in np.unique(index)
    if number
  }


def _boxes(tree: Tree, name: str) -> dict[int, np.ndarray]:
  """Returns a dictionary from the numbers of objects to their boxes."""
  return {
    number: np.array(cv2.boundingRect(mask))
    for number, mask in masks(tree, name).items()
  }


def _palette_index(rgb: np.ndarray) -> np.ndarray:
  """Computes the index of each pixel's colour in Pascal VOC's palette.

  In this palette, the bits of an index are distributed over red, green and
  blue.
  """
  index = np.zeros(rgb.shape[:2], int)
  for bit in range(8):
    for channel in range(3):
      if 3 * bit + channel < 8:
        on = rgb[..., channel] >> (7 - bit) & 1
        index |= on.astype(int) << (3 * bit + channel)
  return index


SOURCE = Source(units, tracks, per_shard=4, gap=100)
