"""NfS at both of its rates."""

from pathlib import Path

import numpy as np

from acm_jax.datasets import sequences
from acm_jax.datasets.layouts.files import folders_with, frames_from
from acm_jax.datasets.sequences import Sequence


def nfs30(root: Path) -> list[Sequence]:
  """NfS at 30 frames a second: every eighth row of the annotation."""
  return _nfs(root, '30', 8)


def nfs240(root: Path) -> list[Sequence]:
  """NfS at 240 frames a second."""
  return _nfs(root, '240', 1)


def _nfs(root: Path, rate: str, step: int) -> list[Sequence]:
  """`<seq>/<rate>/{<seq>/%05d.jpg, <seq>.txt}`, first pixel 0.

  Rows are `track xmin ymin xmax ymax frame lost ...`, at 240 frames a second
  whatever the rate of the images, and may be one more or less than these.
  """
  found = []
  for folder in folders_with(root, rate):
    file = folder / rate / f'{folder.name}.txt'
    if not file.is_file():
      raise FileNotFoundError(f'{file}: missing annotation file')
    rows = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
      try:
        rows.append([float(value) for value in line.split()[1:5]])
        x1, y1, x2, y2 = rows[-1]
      except ValueError:
        raise ValueError(
          f'{file} row {number}: no track and four edges'
        ) from None
      rows[-1] = [x1, y1, x2 - x1, y2 - y1]
    frames = frames_from(folder / rate / folder.name)
    boxes = np.reshape(rows[::step], (-1, 4))
    if len(boxes) > len(frames) + 1:
      raise ValueError(
        f'{file}: rows for {len(boxes)} frames, but {folder.name} has '
        f'{len(frames)} images; restore the missing ones'
      )
    boxes = boxes[: len(frames)]
    found.append(sequences.make(folder.name, frames, boxes, source=file))
  return found
