"""Crops that pysot's scripts made, of any set.

    [crop511/]<video>/<frame:06d>.<track:02d>.x.jpg, train.json

The target is in the centre of its crop of 511 px, at the scale that ours have,
so that the images are kept as they are. The table has, by video, track and
frame, x1, y1, x2, y2 or w, h, of which only the size is used. Every frame is
kept, for how far they are apart is that of the set they were made of.

Source: the released code of pysot.
"""

import functools
from collections.abc import Iterator

import numpy as np

from acm_jax.datasets import crops, sequences
from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, find, join


def units(tree: Tree) -> Iterator[Unit]:
  """Every video of the table."""
  root = find(tree, 'train.json')
  if root is None:
    raise FileNotFoundError(f'{tree.where("train.json")}: no such file')
  where = tree.where(join(root, 'train.json'))
  videos = source.table(tree.text(join(root, 'train.json')), where)
  if not isinstance(videos, dict):
    raise ValueError(f'{where}: not a table of pysot')
  items = sorted(videos.items())
  folder = 'crop511' if 'crop511' in tree.folders(root) else ''
  for video, targets in items:
    yield Unit(video, (join(root, folder, video), where, targets))


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Every target of a video."""
  place, where, targets = unit.notes
  if not isinstance(targets, dict):
    raise ValueError(f'{where}: {unit.name} is no table of targets')
  result = []
  for number, rows in sorted(targets.items()):
    if not isinstance(rows, dict):
      raise ValueError(f'{where}: {unit.name} {number} is no table of frames')
    # pysot's own loader leaves out keys that are no numbers, as meta is.
    frames = sorted((key for key in rows if key.isdigit()), key=int)
    sizes = np.array(
      [_size(rows[f], f'{where}: {unit.name} {number} {f}') for f in frames]
    ).reshape(-1, 2)
    corners = (crops.CROP_SIZE - 1) / 2 - (sizes - 1) / 2
    made = source.picked(
      tree,
      f'{unit.name}.{number}',
      [join(place, f'{frame}.{number}.x.jpg') for frame in frames],
      np.concatenate([corners, sizes], axis=1),
      [int(frame) for frame in frames],
    )
    image = functools.partial(_crop, tree, made.files)
    result.append(made._replace(cropped=True, image=image))
  return result


def _crop(tree: Tree, files: tuple[str, ...], i: int) -> bytes:
  """The JPEG of frame i, looked into."""
  data, where = tree.read(files[i]), tree.where(files[i])
  image = sequences.decode(data, where)
  if image.shape[:2] != (crops.CROP_SIZE, crops.CROP_SIZE):
    raise ValueError(
      f'{where}: {image.shape[1]}x{image.shape[0]}, not a crop of '
      f'{crops.CROP_SIZE} px'
    )
  if not data.startswith(b'\xff\xd8'):
    raise ValueError(f'{where}: not a JPEG')
  # Some writers leave bytes behind the end.
  return data[: data.rfind(b'\xff\xd9') + 2]


def _size(row: list, where: str) -> np.ndarray:
  """Width and height in the crop, px."""
  try:
    values = np.array(row, float)
  except (TypeError, ValueError):
    raise ValueError(f'{where}: {row} is not all numbers') from None
  if values.shape not in ((2,), (4,)):
    raise ValueError(f'{where}: {values.size} values, not 2 or 4')
  size = values[2:] - values[:2] if len(values) == 4 else values
  if not (size > 0).all():
    return np.full(2, np.nan)
  return size * crops.scale_of(size)


SOURCE = Source(units, tracks, per_shard=16, gap=0)
