"""YouTube-BoundingBoxes in the layout of pysot: one frame per second.

    yt_bb_detection_train.csv
    yt_bb_detection_train/<class>/<video>_<ms>_<class>_<object>.jpg

The table has no header. Columns are video, time in ms, class, class name,
object, presence, xmin, xmax, ymin, ymax. The last four are fractions of the
image's width or height, or -1 if the object is absent. Rows without an image
are left out, since many videos are no longer available.

Source: Real et al., CVPR 2017 (arXiv:1702.00824).
"""

import collections
import csv
import io
import itertools
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from acm_jax.datasets import image_files
from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, find, join

_NAME = 'yt_bb_detection_train'

# Rows are packed to save memory, because the table has millions of rows.
_PACK = struct.Struct('<q?4f')
_ROW = np.dtype(
  [('milliseconds', '<i8'), ('present', '?'), ('edges', '<f4', 4)]
)


class _Target(NamedTuple):
  """One object of one class in a video."""

  kind: str
  video: str
  number: str


def units(tree: Tree) -> Iterator[Unit]:
  """Yields a unit for every target, which is one object in a video."""
  root = find(tree, f'{_NAME}.csv')
  if root is None:
    raise FileNotFoundError(
      f'{tree.where(_NAME)}.csv: no such file; choose the folder that contains '
      'it'
    )
  name = join(root, f'{_NAME}.csv')
  lines = io.TextIOWrapper(
    io.BytesIO(tree.read(name)), encoding='utf-8-sig', newline=''
  )
  targets = collections.defaultdict(bytearray)
  for number, values in enumerate(csv.reader(lines), 1):
    if values:
      target, row = _row(values, f'{tree.where(name)} row {number}')
      targets[target] += row
  for target in sorted(targets):
    handle = (root, target, bytes(targets[target]))
    yield Unit(f'{target.kind}/{target.video}.{target.number}', handle)


def _row(values: list[str], where: str) -> tuple[_Target, bytes]:
  """Parses a row of the table.

  Returns:
    The target, and the time, presence and edges in the format of `_PACK`.
  """
  if len(values) != 10:
    raise ValueError(f'{where}: {len(values)} values, not 10')
  video, milliseconds, kind, _, number, presence, *edges = values
  try:
    edges = tuple(map(float, edges))
    present = presence == 'present'
    packed = _PACK.pack(int(milliseconds), present, *edges)
  except (ValueError, struct.error) as error:
    raise ValueError(f'{where}: {error}') from None
  if present and not all(0 <= edge <= 1 for edge in edges):
    raise ValueError(f'{where}: edges {edges} are not fractions from 0 to 1')
  return _Target(kind, video, number), packed


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the single target of a unit, in the frames that have images."""
  root, (kind, video, number), packed = unit.handle
  rows = np.sort(np.frombuffer(packed, _ROW), order='milliseconds')
  folder = join(root, _NAME, kind)
  files = [
    join(folder, f'{video}_{milliseconds}_{kind}_{number}.jpg')
    for milliseconds in rows['milliseconds']
  ]
  exists = [file in tree for file in files]
  if not any(exists):
    return []
  rows, files = rows[exists], list(itertools.compress(files, exists))
  height, width = _size(tree, files)
  x1, x2, y1, y2 = (rows['edges'] * [width, width, height, height]).T
  track = source.picked(
    tree,
    unit.name,
    files,
    np.stack([x1, y1, x2 - x1, y2 - y1], axis=1),
    # Frames are one second apart.
    rows['milliseconds'] // 1000,
  )
  return [track._replace(visible=track.visible & rows['present'])]


def _size(tree: Tree, files: list[str]) -> tuple[int, int]:
  """Returns height and width of the first of `files` that can be decoded."""
  for file in files:
    try:
      return image_files.size(source.File(tree, file))
    except ValueError:
      continue
  # The size does not matter, since none of the images can be decoded.
  return 1000, 1000


SOURCE = Source(units, tracks, per_shard=512, gap=3)
