"""NfS at 30 and at 240 frames per second."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from acm_jax.datasets import image_names, sequences
from acm_jax.datasets.layouts.files import folders_with
from acm_jax.datasets.sequences import Sequence
from acm_jax.host import text_files


def nfs30(root: Path) -> Iterator[Sequence]:
  """Reads NfS at 30 frames per second, using every eighth annotation row."""
  return _nfs(root, '30', 8)


def nfs240(root: Path) -> Iterator[Sequence]:
  """Reads NfS at 240 frames per second."""
  return _nfs(root, '240', 1)


def _nfs(root: Path, rate: str, step: int) -> Iterator[Sequence]:
  """Reads `<seq>/<rate>/{<seq>/%05d.jpg, <seq>.txt}`; boxes are 0-based.

  Rows are `track xmin ymin xmax ymax frame lost ...`. For both rates, the files
  have a row for each frame at 240 frames per second; every `step`-th row is
  used. Used row i, counted from 1, belongs to image i. If the last of the used
  rows has no image, the row is dropped. Images beyond the last used row are
  dropped, too.
  """
  for folder in folders_with(root, rate):
    file = folder / rate / f'{folder.name}.txt'
    if not file.is_file():
      raise FileNotFoundError(
        f'{file}: no such annotation file; add it to the folder'
      )
    rows = []
    for number, line in enumerate(text_files.read(file).splitlines(), 1):
      try:
        x1, y1, x2, y2 = map(float, line.split()[1:5])
      except ValueError:
        raise ValueError(
          f'{file} row {number}: must begin with the five values track, xmin, '
          'ymin, xmax, ymax'
        ) from None
      rows.append([x1, y1, x2 - x1, y2 - y1])
    numbered = image_names.numbered_folder(folder / rate / folder.name)
    boxes = np.reshape(rows[::step], (-1, 4))
    if len(boxes) == len(numbered) + 1:
      boxes = boxes[:-1]
    frames = image_names.of_rows(numbered, len(boxes), folder.name, str(file))
    yield sequences.make(folder.name, frames, boxes, source=file)
