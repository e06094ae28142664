"""YouTube-BoundingBoxes in the layout of pysot: one frame a second.

    yt_bb_detection_train.csv
    yt_bb_detection_train/<class>/<video>_<ms>_<class>_<object>.jpg

Rows of the table, without a head: video, time in ms, class, its name, object,
presence, xmin, xmax, ymin, ymax as parts of the image, -1 where absent. Videos
that have vanished have no frames; their rows are left out.

Source: Real et al., CVPR 2017 (arXiv:1702.00824).
"""

import collections
import csv
import io
import itertools
import struct
from collections.abc import Iterator

import numpy as np

from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, find, join

_NAME = 'yt_bb_detection_train'


# What is kept of a row, of which the table has millions.
_PACK = struct.Struct('<q?4f')
_ROW = np.dtype(
  [('milliseconds', '<i8'), ('present', '?'), ('edges', '<f4', 4)]
)


def units(tree: Tree) -> Iterator[Unit]:
  """Every target: a video, a class and an object."""
  root = find(tree, f'{_NAME}.csv')
  if root is None:
    raise FileNotFoundError(f'{tree.where(_NAME)}.csv: no such file')
  name = join(root, f'{_NAME}.csv')
  lines = io.TextIOWrapper(io.BytesIO(tree.read(name)), newline='')
  targets = collections.defaultdict(bytearray)
  for number, values in enumerate(csv.reader(lines), 1):
    if values:
      target, row = _row(values, f'{tree.where(name)} row {number}')
      targets[target] += row
  for target in sorted(targets):
    kind, video, number = target
    notes = (root, *target, bytes(targets[target]))
    yield Unit(f'{kind}/{video}.{number}', notes)


def _row(values: list[str], where: str) -> tuple[tuple[str, str, str], bytes]:
  """Class, video and object, and the rest."""
  if len(values) != 10:
    raise ValueError(f'{where}: {len(values)} values, not 10')
  video, milliseconds, kind, _, number, presence = values[:6]
  try:
    edges = tuple(map(float, values[6:]))
    present = presence == 'present'
    packed = _PACK.pack(int(milliseconds), present, *edges)
  except (ValueError, struct.error) as error:
    raise ValueError(f'{where}: {error}') from None
  if present and not all(0 <= edge <= 1 for edge in edges):
    raise ValueError(f'{where}: edges {edges} are no parts of an image')
  return (kind, video, number), packed


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """The one target, in the frames that are there."""
  root, kind, video, number, rows = unit.notes
  rows = np.sort(np.frombuffer(rows, _ROW), order='milliseconds')
  folder = join(root, _NAME, kind)
  files = [
    join(folder, f'{video}_{milliseconds}_{kind}_{number}.jpg')
    for milliseconds in rows['milliseconds']
  ]
  there = [file in tree for file in files]
  if not any(there):
    return []
  rows, files = rows[there], list(itertools.compress(files, there))
  height, width = _size(tree, files)
  x1, x2, y1, y2 = (rows['edges'] * [width, width, height, height]).T
  made = source.picked(
    tree,
    unit.name,
    files,
    np.stack([x1, y1, x2 - x1, y2 - y1], axis=1),
    # One frame a second.
    rows['milliseconds'] // 1000,
  )
  return [made._replace(visible=made.visible & rows['present'])]


def _size(tree: Tree, files: list[str]) -> tuple[int, int]:
  """Height and width of the images, told by the first that can be read."""
  for file in files:
    try:
      return source.image(tree, file).shape[:2]
    except ValueError:
      continue
  # Any size: none of the images can be read.
  return 1000, 1000


SOURCE = Source(units, tracks, per_shard=512, gap=3)
