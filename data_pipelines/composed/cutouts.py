"""Cuts whole objects out of annotated photographs and videos."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Num, UInt8

from acm_jax.datasets.sources import coco, davis, source
from acm_jax.datasets.trees import Tree, join

# Longest side of a cutout, px: what a template crop of 127 px can show of it.
LONGEST = 144
# Room round an object for a soft edge, px.
_MARGIN = 3
# Of an object that is cut out: its longest side in the image, px, the least
# part of its box that it fills, and the most of it that may be in pieces beside
# the largest one, as of something that is seen through a fence.
_LEAST_SIDE = 40
_LEAST_FILL = 0.2
_MOST_APART = 0.1
# Of a video every so many frames: neighbours hardly differ.
_EVERY = 4


class Cutout(NamedTuple):
  """An object's picture and outline.

  Attributes:
    rgb: Its mean colour outside the outline.
    mask: 255 inside the outline, else 0; empty at the edges.
  """

  rgb: UInt8[np.ndarray, 'h w 3']
  mask: UInt8[np.ndarray, 'h w']


class Object(NamedTuple):
  """An object and its cutouts, in the order of time.

  Attributes:
    name: Unique in its source.
    category: Its class; empty if unknown.
    cutouts: One of a photograph, several of a video.
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
  """Yields the whole objects of a photograph of COCO.

  Args:
    tree: For messages.
    path: The photograph's name in the tree.
    annotations: Its own.
    rgb: The photograph.

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
        f'{tree.where(path)}: outline of annotation {annotation.number} is no '
        'list of polygons; fetch the annotations again'
      ) from None
    cutout = _cut(rgb, mask)
    if cutout is not None:
      name = f'{path.rpartition("/")[2]}.{annotation.number}'
      yield Object(name, annotation.category, [cutout])


def of_video(tree: Tree, unit: source.Unit) -> Iterator[Object]:
  """Yields the objects of a video of DAVIS, which does not name their classes.

  The video's name is no class: some show a rider and a bicycle.

  Raises:
    OSError: An image is missing.
    ValueError: An image or a mask cannot be decoded.
  """
  root, video = unit.notes, unit.name
  files = source.images(tree, join(root, 'JPEGImages/480p', video))
  notes = source.images(tree, join(root, 'Annotations/480p', video))
  rows = join(root, 'boxes', f'{video}.txt')
  boxes = source.boxes(tree, rows) if rows in tree else None
  found: dict[int, list[Cutout]] = {}
  for row, frame in list(enumerate(files))[::_EVERY]:
    if frame not in notes:
      continue
    rgb = source.image(tree, files[frame])
    for number, mask in davis.masks(tree, notes[frame]).items():
      if boxes is not None:
        mask = _within(mask, boxes[row])
      cutout = _cut(rgb, mask)
      if cutout is not None:
        found.setdefault(number, []).append(cutout)
  for number, cutouts in sorted(found.items()):
    yield Object(f'{video}.{number}', '', cutouts)


def _within(
  mask: UInt8[np.ndarray, 'h w'], box_xywh: Num[np.ndarray, '4']
) -> UInt8[np.ndarray, 'h w']:
  """Returns the part of a mask in a box: a person without a kite's lines."""
  x1, y1 = np.floor(box_xywh[:2]).astype(int)
  x2, y2 = np.ceil(box_xywh[:2] + box_xywh[2:]).astype(int)
  part = np.zeros_like(mask)
  place = np.s_[max(y1, 0) : y2, max(x1, 0) : x2]
  part[place] = mask[place]
  return part


def _cut(
  rgb: UInt8[np.ndarray, 'h w 3'], mask: UInt8[np.ndarray, 'h w']
) -> Cutout | None:
  """Cuts out an object, unless it is small, in pieces or cut by the border."""
  count, labels, about, _ = cv2.connectedComponentsWithStats(mask)
  if count < 2:
    return None
  areas = about[1:, cv2.CC_STAT_AREA]
  largest = int(np.argmax(areas)) + 1
  x, y, w, h, area = (int(value) for value in about[largest])
  height, width = mask.shape
  inside = min(x, y) > 0 and x + w < width and y + h < height
  whole = areas.sum() - area <= _MOST_APART * area
  large = max(w, h) >= _LEAST_SIDE and area >= _LEAST_FILL * w * h
  if not (inside and whole and large):
    return None
  place = np.s_[
    max(y - _MARGIN, 0) : y + h + _MARGIN, max(x - _MARGIN, 0) : x + w + _MARGIN
  ]
  return _reduced(rgb[place], (labels[place] == largest).astype(np.uint8) * 255)


def _reduced(
  rgb: UInt8[np.ndarray, 'h w 3'], mask: UInt8[np.ndarray, 'h w']
) -> Cutout:
  """Bounds the longest side and hides what was round the object."""
  scale = min(1.0, LONGEST / max(mask.shape))
  size = [max(1, round(side * scale)) for side in mask.shape[::-1]]
  rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
  mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
  mask = cv2.threshold(mask, 127, 255, cv2.THRESH_BINARY)[1]
  # What is cut by the edge could not be given a soft one.
  mask[[0, -1]] = 0
  mask[:, [0, -1]] = 0
  near = cv2.dilate(mask, np.ones((7, 7), np.uint8))
  mean = cv2.mean(rgb, mask)[:3]
  rgb[near == 0] = np.rint(mean).astype(np.uint8)
  return Cutout(rgb, mask)
