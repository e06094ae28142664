"""What a data set's official files hold, in one form for all of them."""

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from acm_jax.datasets import sequences
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, join


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
    gap: Largest distance of a pair's frames that the official recipes have; 0
      where it is another one for each source of the frames.
  """

  units: Callable[[Tree], Iterable[Unit]]
  tracks: Callable[[Tree, Unit], Iterable[Track]]
  per_shard: int
  gap: int


def track(
  tree: Tree,
  name: str,
  files: Mapping[int, str],
  box_xywh: np.ndarray,
  where: str,
  absent: np.ndarray | None = None,
  first: int | None = None,
) -> Track:
  """A track whose images and rows belong together, row by row.

  Images beyond the last row are left out, as all toolkits do, and counted.

  Args:
    tree: Where the images are.
    name: Name of the track.
    files: Its images by number, ascending.
    box_xywh: A row for each, px, 0-based; NaN where there is none.
    where: The annotation file, for messages.
    absent: True for each row without the target.
    first: Number of the first image, from which all must be there, in a set of
      which that is known.

  Raises:
    ValueError: An image is missing, so that rows would be taken for those of
      others, or `absent` is not as long.
  """
  rows, numbers = len(box_xywh), list(files)
  if len(files) < rows:
    raise ValueError(
      f'{where}: {rows} rows, but {name} has only {len(files)} frames; restore '
      'the missing images'
    )
  # With as many rows as images, numbers may skip what was not annotated.
  if first is not None or len(files) > rows:
    begin = numbers[0] if first is None else first
    for number, expected in zip(
      numbers, range(begin, begin + rows), strict=False
    ):
      if number != expected:
        raise ValueError(
          f'{where}: {name} has no image {expected}, which its row belongs to; '
          'restore it'
        )
  if absent is not None and len(absent) != rows:
    raise ValueError(
      f'{where}: {rows} rows, but {len(absent)} marks of absence'
    )
  made = picked(
    tree, name, list(files.values())[:rows], box_xywh, numbers[:rows]
  )
  if absent is not None:
    made = made._replace(visible=made.visible & ~np.asarray(absent, bool))
  return made._replace(spare=len(files) - rows)


def picked(
  tree: Tree,
  name: str,
  files: Sequence[str],
  box_xywh: np.ndarray,
  frame_number: Sequence[int] | np.ndarray,
) -> Track:
  """A track of images that each have a box and a number of their own."""
  box_xywh = np.reshape(box_xywh, (-1, 4)).astype(np.float32)
  return Track(
    name,
    box_xywh,
    np.isfinite(box_xywh).all(axis=1),
    np.asarray(frame_number, np.int64),
    functools.partial(_image, tree, tuple(files)),
    tuple(files),
  )


def _image(tree: Tree, files: tuple[str, ...], i: int):
  return image(tree, files[i])


# The targets of one image follow each other.
@functools.lru_cache(maxsize=1)
def image(tree: Tree, name: str) -> UInt8[np.ndarray, 'h w 3']:
  """An RGB image.

  Raises:
    OSError: It is not there.
    ValueError: It cannot be decoded.
  """
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


def images(tree: Tree, place: str) -> dict[int, str]:
  """Images of a folder by the numbers their names end in, ascending.

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
    found[number] = join(place, file)
  if not found:
    raise FileNotFoundError(f'{tree.where(place)}: no images in it')
  return dict(sorted(found.items()))


def table(text: str, where: str) -> Any:
  """A JSON in which no name is there twice.

  Raises:
    ValueError: It is no JSON, or a name is.
  """

  def once(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
      names = [name for name, _ in pairs]
      twice = next(name for name in names if names.count(name) > 1)
      raise ValueError(f'{where}: {twice!r} is there twice; remove one')
    return found

  try:
    return json.loads(text, object_pairs_hook=once)
  except json.JSONDecodeError as error:
    raise ValueError(f'{where}: not JSON ({error})') from None


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
