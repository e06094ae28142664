"""OTB and sets in its layout, as DTB70."""

import re
from pathlib import Path

import numpy as np

from acm_jax.datasets import sequences
from acm_jax.datasets.layouts.files import folders_with, frames_from
from acm_jax.datasets.sequences import Sequence

# First frame of the annotation where it is not the first image.
_OTB_FIRST = {
  'BlurCar1': 247,
  'BlurCar3': 3,
  'BlurCar4': 18,
  'David': 300,
  'Tiger1': 6,
}
# Rows of files that begin at image 1 all the same, and of the others.
_OTB_ROWS = {'Tiger1': (354, 349)}


def otb(root: Path) -> list[Sequence]:
  """OTB: `<Seq>/img/%04d.jpg`, `groundtruth_rect*.txt`, first pixel 1.

  Two targets in one video are `<Seq>-1` and `<Seq>-2`, also where each has a
  copy of the folder, named so; an empty file (the first target of Human4) is
  none. `attrs.txt` has the attributes.
  """
  found = []
  for folder in folders_with(root, 'img'):
    files = sorted(folder.glob('groundtruth_rect*.txt'))
    if not files:
      raise FileNotFoundError(
        f'{folder / "groundtruth_rect.txt"}: missing annotation file'
      )
    first = _OTB_FIRST.get(folder.name, 0)
    frames = frames_from(folder / 'img', first)
    for file in files:
      target = file.stem.removeprefix('groundtruth_rect').replace('.', '-')
      name = folder.name + target
      if target and not sequences.read_text(file).strip():
        continue
      if copy := re.search(r'-\d$', folder.name):
        if target not in ('', copy[0]):
          continue
        name = folder.name
      boxes = _from_first(sequences.read_boxes(file, first_pixel=1), name, file)
      attributes = _attributes(folder / 'attrs.txt')
      found.append(
        sequences.make(name, frames, boxes, file, attributes=attributes)
      )
  return found


def _from_first(boxes: np.ndarray, name: str, file: Path) -> np.ndarray:
  """Without the rows before the first frame that is used."""
  if name not in _OTB_ROWS:
    return boxes
  whole, used = _OTB_ROWS[name]
  if len(boxes) not in (whole, used):
    raise ValueError(
      f'{file}: {len(boxes)} rows; {name} has {whole}, or {used} without those '
      'that are not used'
    )
  return boxes[-used:]


def _attributes(file: Path) -> list[str]:
  if not file.is_file():
    return []
  return re.findall(r'[^,\s]+', sequences.read_text(file))
