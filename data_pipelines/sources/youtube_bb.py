"""YouTube-BoundingBoxes in the layout of pysot: one frame a second.

    yt_bb_detection_train.csv
    yt_bb_detection_train/<class>/<video>_<ms>_<class>_<object>.jpg

Rows of the table, without a head: video, time in ms, class, its name, object,
presence, xmin, xmax, ymin, ymax as parts of the image, -1 where absent. Videos
that have vanished have no frames; their rows are left out.

Source: Real et al., CVPR 2017 (arXiv:1702.00824).
"""

import csv
import io
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from data_pipelines import sequences
from data_pipelines.sources import source
from data_pipelines.sources.source import Source, Unit
from data_pipelines.track import Track
from data_pipelines.trees import Tree, find, join

_NAME = 'yt_bb_detection_train'


class _Row(NamedTuple):
  video: str
  milliseconds: int
  kind: str
  target: str
  present: bool
  edges: tuple[float, float, float, float]


def units(tree: Tree) -> Iterator[Unit]:
  """Every target: a video, a class and an object."""
  root = find(tree, f'{_NAME}.csv')
  if root is None:
    raise FileNotFoundError(f'{tree.where(_NAME)}.csv: no such file')
  name = join(root, f'{_NAME}.csv')
  reader = csv.reader(io.StringIO(tree.text(name)))
  rows = [
    _row(values, f'{tree.where(name)} row {number}')
    for number, values in enumerate(reader, 1)
    if values
  ]
  rows.sort(key=lambda row: (row.kind, row.video, row.target, row.milliseconds))
  targets = itertools.groupby(
    rows, key=lambda row: (row.kind, row.video, row.target)
  )
  for (kind, video, target), group in targets:
    yield Unit(f'{kind}/{video}.{target}', (root, list(group)))


def _row(values: list[str], where: str) -> _Row:
  if len(values) != 10:
    raise ValueError(f'{where}: {len(values)} values, not 10')
  try:
    edges = tuple(map(float, values[6:]))
    row = _Row(
      values[0],
      int(values[1]),
      values[2],
      values[4],
      values[5] == 'present',
      edges,
    )
  except ValueError as error:
    raise ValueError(f'{where}: {error}') from None
  if row.present and not all(0 <= edge <= 1 for edge in edges):
    raise ValueError(f'{where}: edges {edges} are no parts of an image')
  return row


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """The one target, in the frames that are there."""
  root, rows = unit.notes
  kept = [(row, _image(root, row)) for row in rows]
  kept = [(row, file) for row, file in kept if file in tree]
  if not kept:
    return []
  rows, files = zip(*kept, strict=True)
  first = sequences.decode(tree.read(files[0]), tree.where(files[0]))
  height, width = first.shape[:2]
  edges = np.array([row.edges for row in rows]) * [width, width, height, height]
  x1, x2, y1, y2 = edges.T
  return [
    source.track(
      tree,
      unit.name,
      list(files),
      np.stack([x1, y1, x2 - x1, y2 - y1], axis=1),
      f'{_NAME}.csv',
      absent=np.array([not row.present for row in rows]),
      # One frame a second.
      frame_number=np.array([row.milliseconds // 1000 for row in rows]),
    )
  ]


def _image(root: str, row: _Row) -> str:
  file = f'{row.video}_{row.milliseconds}_{row.kind}_{row.target}.jpg'
  return join(root, _NAME, row.kind, file)


SOURCE = Source(units, tracks, per_shard=64, gap=3)
