"""VOT, short-term and long-term, with boxes or polygons as annotations."""

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging

from acm_jax.datasets import image_names, sequences
from acm_jax.datasets.sequences import Sequence
from acm_jax.host import listing, names, text_files


class Regions(NamedTuple):
  """Annotation of one sequence of VOT.

  Attributes:
    file: File of the regions.
    region: Annotated region in each frame, px, 0-based: x, y, w, h, or x and y
      of four corners.
    images: Dictionary from numbers to images, ascending.
    anchors: Dictionary from anchors, which are the indices of the frames at
      which trackers are started, to the direction of tracking: 1 forward, -1
      backward. Empty before VOT2020.
  """

  file: Path
  region: tuple[np.ndarray, ...]
  images: Mapping[int, Path]
  anchors: Mapping[int, int]


def vot(root: Path) -> Iterator[Sequence]:
  """Reads VOT's sequences; a polygon becomes its axis-aligned bounding box."""
  for name, annotation in regions(root).items():
    boxes = np.stack([region_box(region) for region in annotation.region])
    file, images = annotation.file, annotation.images
    frames = image_names.of_rows(images, len(boxes), name, str(file))
    yield sequences.make(name, frames, boxes, source=file)


def regions(root: Path) -> dict[str, Regions]:
  """Returns a dictionary from the names of VOT's sequences to annotations.

  `list.txt` lists the sequences, besides lines that begin with `#`; those
  without a folder are left out, which a warning says. Regions are in
  `<seq>/groundtruth.txt` and are 0-based. Images are `<seq>/color/%08d.jpg`, or
  before 2016 `<seq>/%08d.jpg`. Since 2020, `<seq>/anchor.value` marks the
  frames at which trackers are started (anchors).
  """
  file = root / 'list.txt'
  if not file.is_file():
    raise FileNotFoundError(
      f'{file}: no such file; choose a folder with VOT sequences and this list '
      'of their names'
    )
  lines = text_files.lines(file)
  listed = [line.rstrip('/') for line in lines if line[0] != '#']
  # Archives from a Mac write letters such as é as two characters.
  folders = {_composed(each.name): each for each in listing.find(root, '*/')}
  found = {}
  for name in listed:
    # A listed folder may be inside another one.
    folder = root / name
    if not folder.is_dir():
      folder = folders.get(_composed(name))
    if folder is None:
      continue
    frames = folder / 'color' if (folder / 'color').is_dir() else folder
    regions_file = folder / 'groundtruth.txt'
    rows = sequences.read_rows(regions_file, (4, 8))
    if not rows:
      raise ValueError(f'{regions_file}: contains no regions; give one per row')
    found[name] = Regions(
      regions_file,
      tuple(map(np.array, rows)),
      image_names.numbered_folder(frames),
      _anchors(folder / 'anchor.value', len(rows)),
    )
  if found and (left_out := names.unknown(listed, found)):
    logging.warning(
      '%s: sequences without a folder are left out: %s', file, left_out
    )
  return found


def _composed(name: str) -> str:
  """Returns a name in which each letter with its accents is one character."""
  return unicodedata.normalize('NFC', name)


def _anchors(file: Path, frames: int) -> dict[int, int]:
  """Returns a dictionary from anchors to directions of tracking.

  Anchors are the indices of the frames at which trackers are started. The file
  has one number per frame, whose sign is the direction: 1 forward, -1 backward,
  0 if the frame is no anchor. Zeros at the end may be missing. If the file does
  not exist, the dictionary is empty.
  """
  if not file.is_file():
    return {}
  rows = np.array(sequences.read_rows(file, (1,)))
  if bad := np.flatnonzero(~np.isfinite(rows)).tolist():
    raise ValueError(
      f'{file} row {bad[0] + 1}: not finite; give 1 (forward), -1 (backward) '
      'or 0 (no anchor)'
    )
  signs = np.sign(rows).ravel()
  if len(signs) > frames:
    raise ValueError(
      f'{file}: {len(signs)} rows for {frames} annotated frames; remove the '
      'rows beyond the last frame'
    )
  return {frame: int(sign) for frame, sign in enumerate(signs) if sign}


def region_box(region: np.ndarray) -> np.ndarray:
  """Returns the axis-aligned bounding box x, y, w, h of a region.

  Args:
    region: Box x, y, w, h, or x and y of each corner of a polygon.
  """
  if len(region) == 4:
    return np.asarray(region, np.float64)
  corners = np.reshape(region, (-1, 2))
  low = corners.min(axis=0)
  return np.concatenate([low, corners.max(axis=0) - low])
