"""OTB, and benchmarks in its layout such as DTB70."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from acm_jax.datasets import image_names, sequences
from acm_jax.datasets.layouts.files import folders_with
from acm_jax.datasets.sequences import Sequence
from acm_jax.host import listing, text_files

# Number of the first image, for the sequences that do not begin at image 1.
_OTB_FIRST = {
  'BlurCar1': 247,
  'BlurCar3': 3,
  'BlurCar4': 18,
  'David': 300,
  'Tiger1': 6,
}


class _Rows(NamedTuple):
  """Numbers of rows in the two published versions of an annotation file.

  Attributes:
    whole: Number of rows in the version that begins at image 1.
    used: Number of rows in the version that begins at the first image of the
      sequence, which comes after image 1.
  """

  whole: int
  used: int


_OTB_ROWS = {'Tiger1': _Rows(354, 349)}


def otb(root: Path) -> Iterator[Sequence]:
  """Reads `<Seq>/{img/%04d.jpg, groundtruth_rect*.txt}`; boxes are 1-based.

  Row i belongs to image i; a few sequences of OTB begin at a later image.
  If a video has two targets, they are the sequences `<Seq>-1` and `<Seq>-2`.
  Their annotations may share the folder `<Seq>`, or each sequence may have a
  folder of its own. A target with an empty annotation file (the first target of
  Human4) is skipped. The optional file `attrs.txt` lists the sequence's
  attributes.
  """
  for folder in folders_with(root, 'img'):
    files = listing.find(folder, 'groundtruth_rect*.txt')
    if not files:
      raise FileNotFoundError(
        f'{folder / "groundtruth_rect.txt"}: no such annotation file; add it '
        'to the folder'
      )
    numbered = image_names.numbered_folder(folder / 'img')
    first = _OTB_FIRST.get(folder.name)
    for file in files:
      target = file.stem.removeprefix('groundtruth_rect').replace('.', '-')
      name = folder.name + target
      if target and not text_files.read(file).strip():
        continue
      if copy := re.search(r'-\d$', folder.name):
        if target not in ('', copy[0]):
          continue
        name = folder.name
      boxes = _from_first(sequences.read_boxes(file, first_pixel=1), name, file)
      frames = image_names.of_rows(numbered, len(boxes), name, str(file), first)
      attributes = _attributes(folder / 'attrs.txt')
      yield sequences.make(name, frames, boxes, file, attributes=attributes)


def _from_first(boxes: np.ndarray, name: str, file: Path) -> np.ndarray:
  """Drops the rows of images before the first image of the sequence, if any."""
  if name not in _OTB_ROWS:
    return boxes
  rows = _OTB_ROWS[name]
  if len(boxes) not in rows:
    raise ValueError(
      f'{file}: {len(boxes)} rows; the published file of {name} has '
      f'{rows.whole} rows, or {rows.used} if it begins at image '
      f'{_OTB_FIRST[name]}; download the file again'
    )
  return boxes[-rows.used :]


def _attributes(file: Path) -> list[str]:
  if not file.is_file():
    return []
  return re.findall(r'[^,\s]+', text_files.read(file))
