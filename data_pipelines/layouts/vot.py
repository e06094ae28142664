"""VOT 2013 to 2019."""

from pathlib import Path

import numpy as np

from data_pipelines import sequences
from data_pipelines.layouts.files import frames_from
from data_pipelines.sequences import Sequence


def vot(root: Path) -> list[Sequence]:
  """VOT 2013-2019 as boxes: round a polygon, the axis-parallel one."""
  found = []
  for name, (shapes, first) in regions(root).items():
    boxes = np.stack([region_box(shape) for shape in shapes])
    frames = frames_from(first.parent)
    where = root / name / 'groundtruth.txt'
    found.append(sequences.make(name, frames, boxes, source=where))
  return found


def regions(
  root: Path,
) -> dict[str, tuple[tuple[np.ndarray, ...], Path]]:
  """VOT 2013-2019: `list.txt`, `<seq>/color/%08d.jpg`, first pixel 0.

  Sequences of the list that have no folder are left out.

  Returns:
    By sequence, its regions, x, y, w, h or four corners, and its first image.
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
    found[name] = tuple(map(np.array, rows)), frames_from(images)[0]
  return found


def region_box(region: np.ndarray) -> np.ndarray:
  """The axis-parallel box x, y, w, h round a region."""
  if len(region) == 4:
    return np.asarray(region, np.float64)
  corners = np.reshape(region, (-1, 2))
  low = corners.min(axis=0)
  return np.concatenate([low, corners.max(axis=0) - low])
