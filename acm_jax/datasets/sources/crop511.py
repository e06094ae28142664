"""Crops of 511 px that pysot's scripts cut out of the images of a data set.

    [crop511/]<video>/<frame:06d>.<track:02d>.x.jpg, train.json

The target is at the centre of its crop. The scale is that of the clip sets that
`acm-jax prepare` writes; the JPEG files are therefore copied unchanged. For
each video, track and frame, train.json has x1, y1, x2, y2 or w, h of the target
in the original image; only the size is used. By default, `acm-jax prepare`
keeps every frame, because a suitable `--stride` depends on the frame rate of
the data set from which the crops were cut out.

Source: the released code of pysot.
"""

import functools
from collections.abc import Iterator

import numpy as np

from acm_jax.datasets import crops, image_files
from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Source, Unit
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, find, join


def units(tree: Tree) -> Iterator[Unit]:
  """Yields every video of train.json."""
  root = find(tree, 'train.json')
  if root is None:
    raise FileNotFoundError(
      f'{tree.where("train.json")}: no such file; choose the folder that '
      'contains it'
    )
  where = tree.where(join(root, 'train.json'))
  videos = source.table(tree.text(join(root, 'train.json')), where)
  if not isinstance(videos, dict):
    raise ValueError(f'{where}: must be a JSON object with an entry per video')
  items = sorted(videos.items())
  folder = 'crop511' if 'crop511' in tree.folders(root) else ''
  for video, targets in items:
    yield Unit(video, (join(root, folder, video), where, targets))


def tracks(tree: Tree, unit: Unit) -> list[Track]:
  """Returns the targets of a video."""
  folder, where, targets = unit.handle
  if not isinstance(targets, dict):
    raise ValueError(
      f'{where}: {unit.name} must be a JSON object with an entry per target'
    )
  result = []
  for number, rows in sorted(targets.items()):
    if not isinstance(rows, dict):
      raise ValueError(
        f'{where}: {unit.name} {number} must be a JSON object with an entry '
        'per frame'
      )
    # Keys that are not numbers, such as `meta`, are ignored, as in pysot's
    # loader.
    frames = sorted((key for key in rows if key.isdigit()), key=int)
    sizes = np.array(
      [_size(rows[f], f'{where}: {unit.name} {number} {f}') for f in frames]
    ).reshape(-1, 2)
    corners = (crops.CROP_SIZE - 1) / 2 - (sizes - 1) / 2
    track = source.picked(
      tree,
      f'{unit.name}.{number}',
      [join(folder, f'{frame}.{number}.x.jpg') for frame in frames],
      np.concatenate([corners, sizes], axis=1),
      [int(frame) for frame in frames],
    )
    image = functools.partial(_crop, tree, track.files)
    result.append(track._replace(cropped=True, image=image))
  return result


def _crop(tree: Tree, files: tuple[str, ...], i: int) -> bytes:
  """Reads the JPEG of frame i, and checks its format and size."""
  file = source.File(tree, files[i])
  data, (height, width) = image_files.jpeg(file)
  if (height, width) != (crops.CROP_SIZE, crops.CROP_SIZE):
    raise ValueError(
      f'{file}: has {width}x{height} px, not {crops.CROP_SIZE} px per side; '
      'cut the crops again'
    )
  return data


def _size(row: list, where: str) -> np.ndarray:
  """Computes the width and height of a target in its crop, px.

  Args:
    row: x1, y1, x2, y2 or w, h of the target in the original image, px.
    where: Name of the row, for messages.

  Returns:
    Width and height, or NaN if one of them is not positive.
  """
  try:
    values = np.array(row, float)
  except (TypeError, ValueError):
    raise ValueError(
      f'{where}: {row} contains a value that is not a number'
    ) from None
  if values.shape not in ((2,), (4,)):
    raise ValueError(f'{where}: {values.size} values, not 2 or 4')
  size = values[2:] - values[:2] if len(values) == 4 else values
  if not (size > 0).all():
    return np.full(2, np.nan)
  return size * crops.scale_of(size)


SOURCE = Source(units, tracks, per_shard=16, gap=0)
