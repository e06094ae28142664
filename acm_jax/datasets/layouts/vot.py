"""VOT: short-term and long-term, as far as regions are boxes or corners."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from acm_jax.datasets import sequences
from acm_jax.datasets.layouts.files import frames_from
from acm_jax.datasets.sequences import Sequence


class Regions(NamedTuple):
  """What VOT says of one sequence.

  Attributes:
    region: In each frame x, y, w, h or four corners.
    first: The first image.
    anchors: Frames that trackers are started at since 2020, and the step from
      there, 1 forward and -1 backward.
  """

  region: tuple[np.ndarray, ...]
  first: Path
  anchors: Mapping[int, int]


def vot(root: Path) -> list[Sequence]:
  """VOT's sequences as boxes: round a polygon, the axis-parallel one."""
  found = []
  for name, own in regions(root).items():
    boxes = np.stack([region_box(region) for region in own.region])
    frames = frames_from(own.first.parent)
    where = root / name / 'groundtruth.txt'
    found.append(sequences.make(name, frames, boxes, source=where))
  return found


def regions(root: Path) -> dict[str, Regions]:
  """VOT's sequences: `list.txt`, `<seq>/color/%08d.jpg`, first pixel 0.

  Before 2016 images are in `<seq>/` itself; since 2020 `<seq>/anchor.value` has
  the anchors. Sequences of the list that have no folder are left out.
  """
  listing = root / 'list.txt'
  if not listing.is_file():
    raise FileNotFoundError(f'{listing}: missing list of sequences')
  found = {}
  for name in listing.read_text().split():
    folder = root / name
    if not folder.is_dir():
      continue
    images = folder / 'color' if (folder / 'color').is_dir() else folder
    rows = sequences.read_rows(folder / 'groundtruth.txt', (4, 8))
    if not rows:
      raise ValueError(f'{folder / "groundtruth.txt"}: no regions in it')
    found[name] = Regions(
      tuple(map(np.array, rows)),
      frames_from(images)[0],
      _anchors(folder / 'anchor.value', len(rows)),
    )
  return found


def _anchors(file: Path, frames: int) -> dict[int, int]:
  """A number a frame, zeros left out at the end; its sign is the direction."""
  if not file.is_file():
    return {}
  rows = np.array(sequences.read_rows(file, (1,)))
  if bad := np.flatnonzero(~np.isfinite(rows)).tolist():
    raise ValueError(
      f'{file} row {bad[0] + 1}: not finite; give 1 forward, -1 backward, or 0'
    )
  signs = np.sign(rows).ravel()
  if len(signs) > frames:
    raise ValueError(f'{file}: {len(signs)} rows for {frames} annotated frames')
  return {frame: int(sign) for frame, sign in enumerate(signs) if sign}


def region_box(region: np.ndarray) -> np.ndarray:
  """The axis-parallel box x, y, w, h round a region."""
  if len(region) == 4:
    return np.asarray(region, np.float64)
  corners = np.reshape(region, (-1, 2))
  low = corners.min(axis=0)
  return np.concatenate([low, corners.max(axis=0) - low])
