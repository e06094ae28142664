"""TColor-128."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from acm_jax.datasets import image_names, sequences
from acm_jax.datasets.layouts.files import folders_with
from acm_jax.datasets.sequences import Sequence


def tc128(root: Path) -> Iterator[Sequence]:
  """Reads `<Seq>/{img/%04d.jpg, <Seq>_gt.txt, <Seq>_frames.txt}`.

  Boxes are in 1-based pixel coordinates; `_frames.txt` holds the numbers of the
  first and the last image.
  """
  for folder in folders_with(root, 'img'):
    file = folder / f'{folder.name}_gt.txt'
    boxes = sequences.read_boxes(file, first_pixel=1)
    span = folder / f'{folder.name}_frames.txt'
    numbers = sequences.read_rows(span, (2,))
    if len(numbers) != 1 or not np.isfinite(numbers).all():
      raise ValueError(
        f'{span}: must be one row with the numbers of the first and the last '
        f'image, not {numbers[:2]}'
      )
    first, last = map(int, numbers[0])
    numbered = image_names.numbered_folder(folder / 'img')
    if len(boxes) > last - first + 1:
      raise ValueError(
        f'{file}: {len(boxes)} rows, but {span.name} has images {first} to '
        f'{last}; download the files again'
      )
    frames = image_names.of_rows(
      numbered, len(boxes), folder.name, str(file), first
    )
    yield sequences.make(folder.name, frames, boxes, source=file)
