"""TinyTLP."""

from pathlib import Path

import numpy as np

from acm_jax.datasets import sequences
from acm_jax.datasets.layouts.files import folders_with
from acm_jax.datasets.sequences import Sequence


def tinytlp(root: Path) -> list[Sequence]:
  """TinyTLP: rows `frame,x,y,w,h,lost`, first pixel 0, frames from 1."""
  found = []
  for folder in folders_with(root, 'img'):
    file = folder / 'groundtruth_rect.txt'
    rows = np.reshape(sequences.read_rows(file, (6,)), (-1, 6))
    images = sequences.numbered_images(folder / 'img')
    for row, number in enumerate(rows[:, 0], 1):
      if int(number) not in images:
        raise ValueError(f'{file} row {row}: no image of frame {number:g}')
    frames = [images[int(number)] for number in rows[:, 0]]
    found.append(
      sequences.make(
        folder.name, frames, rows[:, 1:5], source=file, absent=rows[:, 5]
      )
    )
  return found
