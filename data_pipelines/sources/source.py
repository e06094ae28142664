"""What a data set's official files hold, in one form for all of them."""

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from data_pipelines import sequences
from data_pipelines.track import Track
from data_pipelines.trees import Tree, join


class Unit(NamedTuple):
  """What is read at one go: a video, or an image of a set of images.

  Attributes:
    name: Unique in the data set.
    notes: Its part of an annotation file that many units share.
  """

  name: str
  notes: Any = None


class Source(NamedTuple):
  """The reader of a data set.

  Attributes:
    units: Its training videos or images, in a fixed order.
    tracks: The targets in one of them.
    per_shard: How many units go into one file of records.
    gap: Largest distance of a pair's frames that the official recipes have.
  """

  units: Callable[[Tree], Iterable[Unit]]
  tracks: Callable[[Tree, Unit], Iterable[Track]]
  per_shard: int
  gap: int


def track(
  tree: Tree,
  name: str,
  files: list[str],
  box_xywh: np.ndarray,
  where: str,
  absent: np.ndarray | None = None,
  frame_number: np.ndarray | None = None,
) -> Track:
  """A track whose images and rows belong together.

  Images beyond the last row are left out, as all toolkits do.

  Args:
    tree: Where the images are.
    name: Name of the track.
    files: Its images.
    box_xywh: A row for each, px, 0-based; NaN where there is none.
    where: The annotation file, for messages.
    absent: True for each row without the target.
    frame_number: Numbers of the images; from 0 if not given.

  Raises:
    ValueError: There are fewer images than rows, or `absent` is not as long.
  """
  rows = len(box_xywh)
  if len(files) < rows:
    raise ValueError(
      f'{where}: {rows} rows, but {name} has only {len(files)} frames; restore '
      'the missing images'
    )
  if absent is not None and len(absent) != rows:
    raise ValueError(
      f'{where}: {rows} rows, but {len(absent)} marks of absence'
    )
  box_xywh = np.reshape(box_xywh, (-1, 4)).astype(np.float32)
  visible = np.isfinite(box_xywh).all(axis=1)
  if absent is not None:
    visible &= ~np.asarray(absent, bool)
  if frame_number is None:
    frame_number = np.arange(rows)
  numbers = np.asarray(frame_number[:rows])
  files = tuple(files[:rows])

  def image(i: int):
    return _decoded(tree, files[i])

  return Track(name, box_xywh, visible, numbers, image, files)


# The targets of one image follow each other.
@functools.lru_cache(maxsize=1)
def _decoded(tree: Tree, name: str):
  return sequences.decode(tree.read(name), tree.where(name))


def boxes(
  tree: Tree, name: str, first_pixel: int = 0
) -> Float[np.ndarray, 'n 4']:
  """Rows x, y, w, h of an annotation file, made 0-based.

  Raises:
    FileNotFoundError: It is not there.
    ValueError: It has no rows, or one that is not four numbers.
  """
  rows = sequences.parse_rows(tree.text(name), tree.where(name), (4,))
  if not rows:
    raise ValueError(f'{tree.where(name)}: no boxes in it')
  return np.array(rows) - [first_pixel, first_pixel, 0, 0]


def marks(tree: Tree, name: str) -> Bool[np.ndarray, 'n'] | None:
  """0 or 1 for each frame, in rows or in one; nothing without the file.

  Raises:
    ValueError: A value is not a number.
  """
  if name not in tree:
    return None
  text = '\n'.join(tree.text(name).replace(',', ' ').split())
  rows = sequences.parse_rows(text, tree.where(name), (1,))
  return np.ravel(rows) > 0


def images(tree: Tree, place: str) -> list[str]:
  """Images of a folder in the order of the numbers their names end in.

  Raises:
    FileNotFoundError: There are none.
    ValueError: A name ends in no number, or in one that is used.
  """
  found = {}
  for file in tree.files(place):
    stem, dot, suffix = file.rpartition('.')
    if dot + suffix.lower() not in sequences.IMAGE_SUFFIXES:
      continue
    number = sequences.frame_number(stem)
    if number is None:
      raise ValueError(
        f'{tree.where(join(place, file))}: name does not end in a frame number'
      )
    if number in found:
      raise ValueError(
        f'{tree.where(join(place, file))}: frame {number} is also '
        f'{found[number]}'
      )
    found[number] = file
  if not found:
    raise FileNotFoundError(f'{tree.where(place)}: no images in it')
  return [join(place, found[number]) for number in sorted(found)]


def places(tree: Tree, pattern: str, depth: int = 3) -> dict[str, str]:
  """Folders whose name matches, by name, in the order of the names.

  Args:
    tree: Where to look.
    pattern: Regular expression of the whole name.
    depth: How many folders deep.

  Raises:
    FileNotFoundError: There is none.
    ValueError: Two have the same name.
  """
  found: dict[str, str] = {}
  level = ['']
  for _ in range(depth):
    below = []
    for place in level:
      for name in tree.folders(place):
        if not re.fullmatch(pattern, name):
          below.append(join(place, name))
        elif name in found:
          raise ValueError(
            f'{tree.where(join(place, name))}: a folder of that name is also '
            f'{tree.where(found[name])}; remove one'
          )
        else:
          found[name] = join(place, name)
    level = below
  if not found:
    raise FileNotFoundError(f'{tree.label}: no folder is named like {pattern}')
  return dict(sorted(found.items()))
