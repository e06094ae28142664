"""Interface of all readers of training sets, and functions that they share."""

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from acm_jax.datasets import image_files, image_names, sequences
from acm_jax.datasets.track import Track
from acm_jax.datasets.trees import Tree, join


class Unit(NamedTuple):
  """A video or a still image of a data set.

  In YouTube-BoundingBoxes, every target of a video has a unit of its own. In
  other data sets, a unit has all targets of the video or image.

  Attributes:
    name: Name of the video, target or image, unique in the data set.
    handle: Data with which the reader finds the files and annotations.
  """

  name: str
  handle: Any = None


class Source(NamedTuple):
  """The reader of a data set.

  Attributes:
    units: Function that returns the training videos or images, in a fixed
      order.
    tracks: Function that returns the targets of one video or image.
    per_shard: Number of videos or images in a shard of the clip set, which is
      the data set prepared for training.
    gap: Largest difference between the frame numbers of the two images of a
      training pair, as in the official recipes. 0 if no single value fits,
      because the set combines several data sets.
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
  """Makes a track after checking that every row has an image.

  Images beyond the last row are left out, as in all benchmark toolkits; the
  track's attribute `spare` is the number of these images.

  Args:
    tree: Folder or archive that contains the images.
    name: Name of the track.
    files: Dictionary from frame numbers, ascending, to image files.
    box_xywh: Box in each image, one per row, px, 0-based; NaN where none is
      annotated.
    where: Annotation file, for messages.
    absent: Whether the target is absent, for each row (default: never).
    first: Number of the first image, if the data set defines it. In this case,
      the numbers of the images must not have gaps.

  Raises:
    ValueError: An image is missing, without which rows would be assigned to
      wrong images; or `absent` and `box_xywh` differ in length.
  """
  rows, numbers = len(box_xywh), list(files)
  found = list(files.values())
  # Without `first`, the numbers may have gaps if there are as many rows as
  # images: the images of frames that were not annotated may be missing.
  if first is not None or len(files) != rows:
    begin = numbers[0] if first is None else first
    found = image_names.of_rows(files, rows, name, where, begin)
    numbers = range(begin, begin + rows)
  if absent is not None and len(absent) != rows:
    raise ValueError(
      f'{where}: {rows} rows, but {len(absent)} absence labels; give each row '
      'one label'
    )
  result = picked(tree, name, found, box_xywh, numbers)
  if absent is not None:
    visible = result.visible & ~np.asarray(absent, bool)
    result = result._replace(visible=visible)
  return result._replace(spare=len(files) - rows)


def picked(
  tree: Tree,
  name: str,
  files: Sequence[str],
  box_xywh: np.ndarray,
  frame_number: Sequence[int] | np.ndarray,
) -> Track:
  """Makes a track from image files, their boxes and their frame numbers.

  A frame is visible if its box is finite.
  """
  box_xywh = np.reshape(box_xywh, (-1, 4)).astype(np.float32)
  return Track(
    name,
    box_xywh,
    np.isfinite(box_xywh).all(axis=1),
    np.asarray(frame_number, np.int64),
    functools.partial(_image, tree, tuple(files)),
    tuple(files),
  )


class File(NamedTuple):
  """A file of a tree, as `image_files` reads it."""

  tree: Tree
  name: str

  def __str__(self) -> str:
    return self.tree.where(self.name)

  def read_bytes(self) -> bytes:
    return self.tree.read(self.name)


def _image(
  tree: Tree, files: tuple[str, ...], i: int
) -> UInt8[np.ndarray, 'h w 3']:
  return image(tree, files[i], files[0] if len(files) > 1 else None)


# Cached because the targets of one image are read one after the other.
@functools.lru_cache(maxsize=1)
def image(
  tree: Tree, name: str, first: str | None
) -> UInt8[np.ndarray, 'h w 3']:
  """Reads an RGB image; see `image_files`.

  Args:
    tree: Folder or archive that contains the image.
    name: Name of the image.
    first: Name of the first image of the sequence; None for a still image.

  Raises:
    OSError: A file does not exist.
    ValueError: A file cannot be decoded.
  """
  read = image_files.read if first is None else _reader(tree, first)
  return read(File(tree, name))


# Cached because the images of one sequence are read one after the other.
@functools.lru_cache(maxsize=1)
def _reader(tree: Tree, first: str) -> image_files.Reader:
  return image_files.Reader(File(tree, first))


def boxes(
  tree: Tree, name: str, first_pixel: int = 0
) -> Float[np.ndarray, 'n 4']:
  """Reads rows x, y, w, h of an annotation file and makes them 0-based.

  Args:
    tree: Folder or archive that contains the file.
    name: Name of the file.
    first_pixel: Coordinate that the file gives to the first pixel of an image:
      0, or 1 as in Matlab.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file has no rows, or a row is not four numbers.
  """
  rows = sequences.parse_rows(tree.text(name), tree.where(name), (4,))
  if not rows:
    raise ValueError(
      f'{tree.where(name)}: contains no boxes; give one row x,y,w,h per frame'
    )
  return np.array(rows) - [first_pixel, first_pixel, 0, 0]


def marks(tree: Tree, name: str) -> Bool[np.ndarray, 'n'] | None:
  """Reads the labels of frames from a file.

  The file has all labels in a single row, or one label per row.

  Returns:
    Whether each label is greater than 0; None if the file does not exist.

  Raises:
    ValueError: A label is not a number.
  """
  if name not in tree:
    return None
  text = '\n'.join(tree.text(name).replace(',', ' ').split())
  rows = sequences.parse_rows(text, tree.where(name), (1,))
  return np.ravel(rows) > 0


def labels(tree: Tree, name: str, frames: int) -> Bool[np.ndarray, 'n']:
  """Reads the labels of frames from a file that must exist.

  Args:
    tree: Folder or archive that contains the file.
    name: Name of the file; its labels are in a single row or one per row.
    frames: Number of frames.

  Returns:
    Whether the label of each frame is greater than 0.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: A label is not a number, or the number of labels is not
      `frames`.
  """
  found = marks(tree, name)
  if found is None:
    raise FileNotFoundError(
      f'{tree.where(name)}: no such file; download it again'
    )
  if len(found) != frames:
    raise ValueError(
      f'{tree.where(name)}: {len(found)} labels for {frames} boxes; download '
      'the file again'
    )
  return found


def numbered(tree: Tree, folder: str) -> dict[int, str]:
  """Returns a dictionary from frame numbers to the image files of a folder.

  The dictionary is in ascending order of frame numbers; see
  `image_names.numbered`.

  Raises:
    ValueError: The folder has no images, or an image has no number of its own.
  """
  found = image_names.numbered(tree.files(folder), tree.where(folder))
  return {number: join(folder, name) for number, name in found.items()}


def table(text: str, where: str) -> Any:
  """Parses JSON, but rejects duplicate keys.

  The module `json` would silently keep only the last value of a duplicate key.

  Args:
    text: Content of a JSON file.
    where: Name of the file, for messages.

  Raises:
    ValueError: The text is not JSON, or an object has a duplicate key.
  """

  def unique(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
      keys = [key for key, _ in pairs]
      duplicate = next(key for key in keys if keys.count(key) > 1)
      raise ValueError(f'{where}: duplicate key {duplicate!r}; remove one')
    return found

  try:
    return json.loads(text, object_pairs_hook=unique)
  except json.JSONDecodeError as error:
    raise ValueError(
      f'{where}: not JSON ({error}); replace it with an intact copy'
    ) from None


def find_folders(tree: Tree, pattern: str, depth: int = 3) -> dict[str, str]:
  """Finds the folders whose names match a pattern.

  Args:
    tree: Tree to search.
    pattern: Regular expression that matches the whole name.
    depth: Number of levels of folders to search.

  Returns:
    A dictionary from the names of the folders to their paths in the tree,
    sorted by name.

  Raises:
    FileNotFoundError: No folder matches.
    ValueError: Two folders have the same name.
  """
  found: dict[str, str] = {}
  level = ['']
  for _ in range(depth):
    below = []
    for parent in level:
      for name in tree.folders(parent):
        if not re.fullmatch(pattern, name):
          below.append(join(parent, name))
        elif name in found:
          raise ValueError(
            f'{tree.where(join(parent, name))}: same name as '
            f'{tree.where(found[name])}; remove one of the folders'
          )
        else:
          found[name] = join(parent, name)
    level = below
  if not found:
    raise FileNotFoundError(
      f'{tree.label}: no folder has a name of the form {pattern}; choose the '
      'root folder of the data set'
    )
  return dict(sorted(found.items()))
