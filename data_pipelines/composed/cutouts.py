"""Cuts whole objects out of annotated photographs and videos."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Num, UInt8

from acm_jax.datasets.sources import coco, davis, source
from acm_jax.datasets.trees import Tree, join

# Maximum side of a cutout, px; a template crop of 127 px shows no more detail.
LONGEST = 144
# Margin around an object for a soft edge, px.
_MARGIN = 3
# Minimum length of an object's longer side, px of the image.
_LEAST_SIDE = 40
# Minimum fraction of an object's bounding box that the object fills.
_LEAST_FILL = 0.2
# Maximum total area of an object's smaller pieces, as a fraction of the area of
# its largest piece. An object behind a fence, for instance, has several
# pieces.
_MOST_APART = 0.1
# Every fourth frame of a video is used, since successive frames hardly differ.
_EVERY = 4


class Cutout(NamedTuple):
  """Picture and outline of an object.

  Attributes:
    rgb: Picture; all pixels far from the object have the object's mean colour.
    mask: Mask of the object: 255 inside the outline, 0 elsewhere. The outermost
      rows and columns are 0.
  """

  rgb: UInt8[np.ndarray, 'h w 3']
  mask: UInt8[np.ndarray, 'h w']


class Object(NamedTuple):
  """An object and its cutouts.

  Attributes:
    name: Name of the object, unique in its source.
    category: Class of the object; empty if unknown.
    cutouts: Cutouts in temporal order: one from a photograph, or several from a
      video.
  """

  name: str
  category: str
  cutouts: list[Cutout]


def of_photograph(
  tree: Tree,
  path: str,
  annotations: list[coco.Annotation],
  rgb: UInt8[np.ndarray, 'h w 3'],
) -> Iterator[Object]:
  """Yields all whole and sufficiently large objects of a COCO photograph.

  Args:
    tree: Tree of the data set, for messages.
    path: Path of the photograph in the tree.
    annotations: Annotations of the photograph.
    rgb: Pixels of the photograph.

  Raises:
    ValueError: A polygon is not a list of coordinates.
  """
  for annotation in annotations:
    if annotation.crowd or not annotation.outline:
      continue
    mask = np.zeros(rgb.shape[:2], np.uint8)
    try:
      for polygon in annotation.outline:
        points = np.rint(np.reshape(polygon, (-1, 2)).astype(float))
        cv2.fillPoly(mask, [points.astype(np.int32)], 1)
    except (TypeError, ValueError):
      raise ValueError(
        f'{tree.where(path)}: outline of annotation {annotation.number} is not '
        'a list of polygons; download the annotations again'
      ) from None
    cutout = _cut(rgb, mask)
    if cutout is not None:
      name = f'{path.rpartition("/")[2]}.{annotation.number}'
      yield Object(name, annotation.category, [cutout])


def of_video(tree: Tree, unit: source.Unit) -> Iterator[Object]:
  """Yields the objects of a DAVIS video.

  The classes of the objects are unknown. The name of the video is not used as a
  class, since a video may show several objects, such as a rider and a bicycle.

  Args:
    tree: Tree of the data set.
    unit: Video, as `davis.units` yields it.

  Raises:
    OSError: An image is missing.
    ValueError: An image or a mask cannot be decoded, or a row of the video's
      file of boxes is not four numbers.
  """
  root, video = unit.handle, unit.name
  files = source.numbered(tree, join(root, 'JPEGImages/480p', video))
  masks = source.numbered(tree, join(root, 'Annotations/480p', video))
  rows = join(root, 'boxes', f'{video}.txt')
  boxes = source.boxes(tree, rows) if rows in tree else None
  objects: dict[int, list[Cutout]] = {}
  for row, frame in list(enumerate(files))[::_EVERY]:
    if frame not in masks:
      continue
    rgb = source.image(tree, files[frame], next(iter(files.values())))
    for number, mask in davis.masks(tree, masks[frame]).items():
      if boxes is not None:
        mask = _within(mask, boxes[row])
      cutout = _cut(rgb, mask)
      if cutout is not None:
        objects.setdefault(number, []).append(cutout)
  for number, cutouts in sorted(objects.items()):
    yield Object(f'{video}.{number}', '', cutouts)


def _within(
  mask: UInt8[np.ndarray, 'h w'], box_xywh: Num[np.ndarray, '4']
) -> UInt8[np.ndarray, 'h w']:
  """Returns a copy of a mask in which all pixels outside a box are 0.

  For instance, the lines of a kitesurfer's kite are removed from the mask.
  """
  x1, y1 = np.floor(box_xywh[:2]).astype(int)
  x2, y2 = np.ceil(box_xywh[:2] + box_xywh[2:]).astype(int)
  part = np.zeros_like(mask)
  region = np.s_[max(y1, 0) : y2, max(x1, 0) : x2]
  part[region] = mask[region]
  return part


def _cut(
  rgb: UInt8[np.ndarray, 'h w 3'], mask: UInt8[np.ndarray, 'h w']
) -> Cutout | None:
  """Cuts out the largest piece of an object.

  Returns None if the mask is empty, or if the object is too small, fills too
  little of its bounding box, is in several large pieces, or touches the border
  of the image. An object at the border is probably cut off.
  """
  count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
  if count < 2:
    return None
  areas = stats[1:, cv2.CC_STAT_AREA]
  largest = int(np.argmax(areas)) + 1
  x, y, w, h, area = (int(value) for value in stats[largest])
  height, width = mask.shape
  inside = min(x, y) > 0 and x + w < width and y + h < height
  whole = areas.sum() - area <= _MOST_APART * area
  large = max(w, h) >= _LEAST_SIDE and area >= _LEAST_FILL * w * h
  if not (inside and whole and large):
    return None
  region = np.s_[
    max(y - _MARGIN, 0) : y + h + _MARGIN, max(x - _MARGIN, 0) : x + w + _MARGIN
  ]
  piece = (labels[region] == largest).astype(np.uint8) * 255
  return _reduced(rgb[region], piece)


def _reduced(
  rgb: UInt8[np.ndarray, 'h w 3'], mask: UInt8[np.ndarray, 'h w']
) -> Cutout:
  """Shrinks a cutout to a bounded size and hides the object's surroundings."""
  scale = min(1.0, LONGEST / max(mask.shape))
  size = [max(1, round(side * scale)) for side in mask.shape[::-1]]
  rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
  mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
  mask = cv2.threshold(mask, 127, 255, cv2.THRESH_BINARY)[1]
  # The outermost pixels are 0, since a soft edge needs a margin.
  mask[[0, -1]] = 0
  mask[:, [0, -1]] = 0
  near = cv2.dilate(mask, np.ones((7, 7), np.uint8))
  mean = cv2.mean(rgb, mask)[:3]
  rgb[near == 0] = np.rint(mean).astype(np.uint8)
  return Cutout(rgb, mask)
