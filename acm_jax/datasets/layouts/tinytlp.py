"""TinyTLP."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from acm_jax.datasets import image_names, sequences
from acm_jax.datasets.layouts.files import folders_with
from acm_jax.datasets.sequences import Sequence


def tinytlp(root: Path) -> Iterator[Sequence]:
  """Reads `<Seq>/{img/, groundtruth_rect.txt}`; boxes are 0-based.

  Rows are `frame,x,y,w,h,lost`; `frame` is the number of an image, counted from
  1, and `lost` is 1 if the target is absent.
  """
  for folder in folders_with(root, 'img'):
    file = folder / 'groundtruth_rect.txt'
    rows = np.reshape(sequences.read_rows(file, (6,)), (-1, 6))
    numbered = image_names.numbered_folder(folder / 'img')
    for row, number in enumerate(rows[:, 0], 1):
      if number not in numbered:
        raise ValueError(
          f'{file} row {row}: image of frame {number:g} is missing; add it'
        )
    frames = [numbered[int(number)] for number in rows[:, 0]]
    yield sequences.make(
      folder.name, frames, rows[:, 1:5], source=file, absent=rows[:, 5]
    )
