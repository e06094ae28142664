"""Targets of a video, in one form for all formats of annotations."""

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from acm_jax.datasets import image_names

# Box x, y, w, h, px, 0-based.
Box = tuple[float, float, float, float]
# Height and width of a frame, px.
Size = tuple[int, int]
# Boxes of a target; keys are the numbers of the frames in the video, from 0.
Boxes = dict[int, Box]

# Class of a target whose class is not known.
UNKNOWN = 'object'
# Name that CVAT gives to a frame of a video file.
_FRAME = re.compile(r'frame_(\d+)\.\w+')


class Target(NamedTuple):
  """A target and its boxes. In frames without a box, the target is absent.

  Attributes:
    boxes: Box in each frame, in the order of the frames.
    category: Class of the target.
    occluded: Frames in which the target is partly hidden.
    given: Frames whose box was drawn by a person, as far as the format tells
      it; otherwise all frames.
    outside: Frames in which the target is marked as absent. The mark holds up
      to its next box.
    size_hw: Sizes of the frames with a box, as far as the file states them.
  """

  boxes: Boxes
  category: str = UNKNOWN
  occluded: frozenset[int] = frozenset()
  given: frozenset[int] = frozenset()
  outside: frozenset[int] = frozenset()
  size_hw: Mapping[int, Size] = types.MappingProxyType({})


class Entry(NamedTuple):
  """A box of an export.

  Attributes:
    target: Name of the target, unique in the export.
    frame: Number of the frame in the video, counted from 0.
    box: x, y, w, h, px, 0-based.
    where: File and place in it, for messages.
    category: Class of the target.
    occluded: Whether the target is partly hidden.
    given: Whether a person drew the box.
    outside: Whether the target is absent, so that the box has no meaning.
    size_hw: Size of the frame, if the file states it.
  """

  target: str
  frame: int
  box: Box
  where: str
  category: str = UNKNOWN
  occluded: bool = False
  given: bool = True
  outside: bool = False
  size_hw: Size | None = None


class Footage(NamedTuple):
  """Video that annotations belong to.

  Attributes:
    name: Name of the video.
    files: Files that its frames are read from.
    length: Number of frames.
    size_hw: Sizes of the frames that were decoded; keys are their numbers.
  """

  name: str
  files: Sequence[Path]
  length: int
  size_hw: Mapping[int, Size]


def frame_name(files: Sequence[Path], number: int) -> str:
  """Returns the file name of a frame, in a video file as CVAT calls it."""
  if _are_images(files):
    return files[number].name
  return f'frame_{number:06d}.PNG'


def numbers(
  files: Sequence[Path], names: Sequence[str]
) -> Iterator[tuple[str, int]]:
  """Yields the names of images that are frames of a video, and their numbers.

  Args:
    files: Files that the frames are read from. An image is the frame whose path
      ends in its name. In a video file, it is the frame that CVAT calls so.
    names: Names of images, which may have folders in front.
  """
  if not _are_images(files):
    for name in names:
      if found := _FRAME.fullmatch(name.rpartition('/')[2]):
        yield name, int(found[1])
    return
  known = set(names)
  for number, file in enumerate(files):
    parts = file.absolute().parts
    ends = ('/'.join(parts[-n:]) for n in range(1, len(parts)))
    name = next((end for end in ends if end in known), None)
    if name is not None:
      yield name, number


def _are_images(files: Sequence[Path]) -> bool:
  return bool(files) and image_names.is_image(files[0].name)
