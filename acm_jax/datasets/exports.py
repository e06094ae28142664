"""Reads boxes that annotation tools exported: CVAT, COCO and MOT.

    annotations.xml    "CVAT for video 1.1": every track is a target. A box is
                       used unless it is marked as outside. Frames are counted
                       from 0, coordinates are 0-based.
    *.json             COCO: every image is a frame, found by its file name.
                       Annotations with the same `track_id`, which may be among
                       their `attributes`, show the same target; without
                       `track_id`, an image may have one object of a category,
                       and the category is the target. Coordinates are 0-based.
    gt.txt             MOT: rows frame,id,x,y,w,h,conf,... Rows whose conf is 0
                       are not used. Frames and coordinates are 1-based.

A zip file with one of these files, as CVAT writes it, is read as well.

Sources: docs.cvat.ai (XML annotation format), cocodataset.org (format of the
data), arXiv:1603.00831 (MOT16).
"""

import collections
import math
import posixpath
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from etils import epath

from acm_jax.datasets import sequences, trees
from acm_jax.datasets.sources import source
from acm_jax.datasets.trees import Tree, join

# Boxes of a target, x, y, w, h, px, 0-based; keys are the numbers of the frames
# in the video, counted from 0.
Boxes = dict[int, tuple[float, float, float, float]]

_XML, _MOT = 'annotations.xml', 'gt.txt'
# Folders in which an archive holds its file of annotations.
_FOLDERS = ('', 'annotations', 'gt')
_ADVICE = (
  'give the XML of "CVAT for video 1.1", the JSON of COCO or the gt.txt of MOT'
)


class _Entry(NamedTuple):
  """A box of an export.

  Attributes:
    target: Name of the target, unique in the export.
    frame: Number of the frame in the video, counted from 0.
    box: x, y, w, h, px, 0-based.
    where: File and place in it, for messages.
  """

  target: str
  frame: int
  box: tuple[float, float, float, float]
  where: str


def read(path: Path, files: Sequence[Path]) -> list[Boxes]:
  """Reads the boxes of the targets in a video.

  Args:
    path: File that an annotation tool exported, or a zip file with it.
    files: Files that the frames of the video are read from.

  Returns:
    The boxes of each target, in the order in which the targets first occur in
    the file.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file is in another format, is malformed, or has no boxes.
  """
  if path.suffix.lower() == '.zip':
    tree = trees.open_tree(path)
    name = _annotations(tree)
  else:
    tree, name = trees.Folder(epath.Path(path.parent)), path.name
  reader = _READERS.get(Path(name).suffix.lower())
  if reader is None:
    raise ValueError(f'{path}: unknown format; {_ADVICE}')
  targets: dict[str, Boxes] = collections.defaultdict(dict)
  for entry in reader(tree, name, files):
    size = entry.box[2:]
    valid = all(map(math.isfinite, entry.box)) and min(size) > 0
    if entry.frame < 0 or not valid:
      raise ValueError(
        f'{entry.where}: frame or box is not valid (frame {entry.frame} '
        f'counted from 0, x,y,w,h {entry.box}); correct or remove it'
      )
    if entry.frame in targets[entry.target]:
      raise ValueError(
        f'{entry.where}: a second box of {entry.target} in the same frame; '
        'remove one of the boxes, or give the two objects different ids'
      )
    targets[entry.target][entry.frame] = entry.box
  if not targets:
    raise ValueError(f'{tree.where(name)}: no boxes of tracks; {_ADVICE}')
  return [dict(sorted(boxes.items())) for boxes in targets.values()]


def _annotations(tree: Tree) -> str:
  """Returns the name of the file of annotations in an archive."""
  found = [
    join(folder, name)
    for folder in _FOLDERS
    for name in tree.files(folder)
    if name in (_XML, _MOT) or name.endswith('.json')
  ]
  if len(found) != 1:
    listed = ', '.join(found) or 'none'
    raise ValueError(
      f'{tree.label}: must have one file of annotations, but has {listed}; '
      f'unpack it, and {_ADVICE}'
    )
  return found[0]


def _cvat(tree: Tree, name: str, files: Sequence[Path]) -> Iterator[_Entry]:
  """Yields the boxes of a file of "CVAT for video"."""
  del files
  where = tree.where(name)
  try:
    root = ElementTree.fromstring(tree.read(name))
  except ElementTree.ParseError as error:
    raise ValueError(
      f'{where}: not XML ({error}); export the annotations again'
    ) from None
  if root.tag != 'annotations' or root.find('image') is not None:
    raise ValueError(
      f'{where}: not in the format "CVAT for video 1.1", in which boxes belong '
      'to tracks; export the annotations again in this format'
    )
  for number, track in enumerate(root.iter('track')):
    for box in track.iter('box'):
      place = f'{where}, track {number}, frame {box.get("frame")}'
      try:
        frame, outside = int(box.attrib['frame']), box.get('outside') == '1'
        corners = [float(box.attrib[x]) for x in ('xtl', 'ytl', 'xbr', 'ybr')]
        angle = float(box.get('rotation', 0))
      except (KeyError, ValueError) as error:
        raise ValueError(
          f'{place}: damaged box ({error!r}); export the annotations again'
        ) from None
      if not outside:
        box_xywh = _upright(*corners, angle)
        yield _Entry(f'track {number}', frame, box_xywh, place)


def _upright(
  left: float, top: float, right: float, bottom: float, angle: float
) -> tuple[float, float, float, float]:
  """Returns the smallest upright box around a rectangle.

  Args:
    left: Left edge of the rectangle before it is rotated, px.
    top: Upper edge, px.
    right: Right edge, px.
    bottom: Lower edge, px.
    angle: Angle by which the rectangle is rotated around its centre, degrees.
  """
  w, h = right - left, bottom - top
  turn = math.radians(angle)
  cosine, sine = abs(math.cos(turn)), abs(math.sin(turn))
  width, height = w * cosine + h * sine, w * sine + h * cosine
  x, y = (left + right - width) / 2, (top + bottom - height) / 2
  return x, y, width, height


def _coco(tree: Tree, name: str, files: Sequence[Path]) -> Iterator[_Entry]:
  """Yields the boxes of a file of COCO whose images are frames of the video."""
  where = tree.where(name)
  content, part = source.table(tree.text(name), where), 'images'
  try:
    frames = _frames(content['images'], files)
    for number, entry in enumerate(content['annotations']):
      part = f'annotation {number}'
      place = f'{where}, {part}'
      frame = frames.get(entry['image_id'])
      if frame is None or entry.get('iscrowd'):
        continue
      ids = {**entry, **(entry.get('attributes') or {})}
      target = f'track_id {ids.get("track_id")}'
      if ids.get('track_id') is None:
        target = f'category {entry["category_id"]} (without track_id)'
      x, y, w, h = map(float, entry['bbox'])
      yield _Entry(target, frame, (x, y, w, h), place)
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f'{where}: not in the format of COCO ({part}: {error!r}); export the '
      'annotations again'
    ) from None
  if not frames:
    raise ValueError(
      f'{where}: names none of the images of the video; give the folder of '
      'the annotated images as `video`'
    )


def _frames(images: list[dict], files: Sequence[Path]) -> dict[Any, int]:
  """Returns a dictionary from ids of images to the numbers of their frames.

  A file of the video is an image of the export if its path ends in the image's
  `file_name`.
  """
  ids = {posixpath.normpath(each['file_name']): each['id'] for each in images}
  found = {}
  for number, file in enumerate(files):
    parts = file.absolute().parts
    ends = ('/'.join(parts[-n:]) for n in range(1, len(parts)))
    name = next((end for end in ends if end in ids), None)
    if name is not None:
      found[ids[name]] = number
  return found


def _mot(tree: Tree, name: str, files: Sequence[Path]) -> Iterator[_Entry]:
  """Yields the boxes of a file of MOT."""
  del files
  where = tree.where(name)
  rows = sequences.parse_rows(tree.text(name), where, tuple(range(6, 11)))
  for number, (frame, target, x, y, w, h, *rest) in enumerate(rows, 1):
    place = f'{where} row {number}'
    if not (frame.is_integer() and target.is_integer() and target >= 0):
      raise ValueError(
        f'{place}: frame {frame:g} and id {target:g} must be whole numbers, '
        'and the id must not be negative, as it is in files of detections; '
        'give the ground truth of tracks'
      )
    if not rest or rest[0]:
      box_xywh = x - 1, y - 1, w, h
      yield _Entry(f'id {target:g}', int(frame) - 1, box_xywh, place)


_READERS: dict[str, Callable[[Tree, str, Sequence[Path]], Iterator[_Entry]]] = {
  '.xml': _cvat,
  '.json': _coco,
  '.txt': _mot,
}
