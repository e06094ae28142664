"""Readers of the folder layouts that tracking benchmarks are published in.

A reader takes the official root and returns the sequences that are there. The
source's pixel convention is written at its reader and undone there, once.

Sources: the official layouts of OTB-100 (TPAMI 2015), VOT (votchallenge.net),
UAV123 (ECCV 2016) and TinyTLP (arXiv:1811.01508); those of sets that are
trained on, too, are in `sources`.
"""

import re
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
from etils import epath

from data_pipelines import sequences, sources, trees
from data_pipelines.sequences import Sequence

# First frame of the annotation where it is not the first image.
_OTB_FIRST = {
  'BlurCar1': 247,
  'BlurCar3': 3,
  'BlurCar4': 18,
  'David': 300,
  'Tiger1': 6,
}
# Rows before the first frame that is used: Tiger1's file starts at image 1.
_OTB_SKIPPED_ROWS = {'Tiger1': 5}
# First image of the parts of a UAV123_10fps video that do not start at the
# last image of the part before.
_UAV_FIRST = {'bird1_2': 259, 'bird1_3': 525, 'uav1_3': 825}


def read(
  layout: str, root: Path, only: Collection[str] | None = None
) -> list[Sequence]:
  """Sequences below a folder, in the order of their names.

  Args:
    layout: Name of the folder layout, a key of `LAYOUTS`.
    root: The folder that the benchmark was unpacked to.
    only: Names to keep; those that are not there are left out.

  Raises:
    FileNotFoundError: Root, or a file that a sequence needs, is missing.
    ValueError: The layout is unknown, root holds no sequence of it, or an
      annotation is malformed.
  """
  if layout not in LAYOUTS:
    known = ', '.join(sorted(LAYOUTS))
    raise ValueError(f'unknown layout {layout!r}: one of {known}')
  if not root.is_dir():
    raise FileNotFoundError(f'{root}: no such folder')
  found = sorted(LAYOUTS[layout](root), key=lambda sequence: sequence.name)
  if not found:
    raise ValueError(f'{root}: no sequence in the layout {layout}')
  return [s for s in found if only is None or s.name in only]


def otb(root: Path) -> list[Sequence]:
  """OTB: `<Seq>/img/%04d.jpg`, `groundtruth_rect*.txt`, first pixel 1.

  Two targets in one video are `<Seq>-1` and `<Seq>-2`; an empty file (the
  first target of Human4) is none.
  """
  found = []
  for folder in _folders_with(root, 'img'):
    files = sorted(folder.glob('groundtruth_rect*.txt'))
    if not files:
      raise FileNotFoundError(
        f'{folder / "groundtruth_rect.txt"}: missing annotation file'
      )
    first = _OTB_FIRST.get(folder.name, 0)
    frames = _frames_from(folder / 'img', first)
    for file in files:
      target = file.stem.removeprefix('groundtruth_rect').replace('.', '-')
      if target and not file.read_text().strip():
        continue
      boxes = sequences.read_boxes(file, first_pixel=1)
      boxes = boxes[_OTB_SKIPPED_ROWS.get(folder.name, 0) :]
      found.append(
        sequences.make(folder.name + target, frames, boxes, source=file)
      )
  return found


def vot(root: Path) -> list[Sequence]:
  """VOT 2013-2019: `list.txt`, `<seq>/color/%08d.jpg`, first pixel 0.

  A region of four corners becomes the axis-parallel box round them. Sequences
  of the list that have no folder are left out.
  """
  listing = root / 'list.txt'
  if not listing.is_file():
    raise FileNotFoundError(f'{listing}: missing list of sequences')
  found = []
  for name in listing.read_text().split():
    folder = root / name
    if not folder.is_dir():
      continue
    images = folder / 'color' if (folder / 'color').is_dir() else folder
    file = folder / 'groundtruth.txt'
    boxes = [_region_box(row) for row in sequences.read_rows(file, (4, 8))]
    frames = _frames_from(images)
    found.append(
      sequences.make(name, frames, np.reshape(boxes, (-1, 4)), source=file)
    )
  return found


def uav123_10fps(root: Path) -> list[Sequence]:
  """UAV123_10fps: `data_seq/`, `anno/`, first pixel 1, NaN where absent.

  Part k of a video that is cut in parts, `<folder>_<k>`, starts at the last
  image of part k - 1; three parts start later.
  """
  images = root / 'data_seq' / 'UAV123_10fps'
  notes = root / 'anno' / 'UAV123_10fps'
  found = []
  for file in sorted(notes.glob('*.txt')):
    folder, first = _uav_place(images, file)
    if folder.is_dir():
      boxes = sequences.read_boxes(file, first_pixel=1)
      frames = _frames_from(folder, first)
      found.append(sequences.make(file.stem, frames, boxes, source=file))
  return found


def tinytlp(root: Path) -> list[Sequence]:
  """TinyTLP: rows `frame,x,y,w,h,lost`, first pixel 0, frames from 1."""
  found = []
  for folder in _folders_with(root, 'img'):
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


def _of_source(name: str) -> Callable[[Path], list[Sequence]]:
  """The layout of a set that is trained on as well."""

  def read(root: Path) -> list[Sequence]:
    tree, source = trees.Folder(epath.Path(root)), sources.make(name)
    return [
      Sequence(
        track.name,
        tuple(root / file for file in track.files),
        track.box_xywh,
        track.visible & (track.box_xywh[:, 2:] > 0).all(axis=1),
      )
      for unit in source.units(tree)
      for track in source.tracks(tree, unit)
    ]

  return read


LAYOUTS: dict[str, Callable[[Path], list[Sequence]]] = {
  'otb': otb,
  'vot': vot,
  'uav123_10fps': uav123_10fps,
  'tinytlp': tinytlp,
  'davis': _of_source('davis'),
  'folder': _of_source('folder'),
}


def _folders_with(root: Path, part: str) -> list[Path]:
  return [path.parent for path in sorted(root.glob(f'*/{part}'))]


def _frames_from(images: Path, first: int = 0) -> list[Path]:
  numbered = sequences.numbered_images(images)
  return [path for number, path in numbered.items() if number >= first]


def _region_box(row: list[float]) -> np.ndarray:
  if len(row) == 4:
    return np.array(row)
  corners = np.reshape(row, (4, 2))
  low = corners.min(axis=0)
  return np.concatenate([low, corners.max(axis=0) - low])


def _uav_place(images: Path, file: Path) -> tuple[Path, int]:
  """Folder and first image number of an annotation's video."""
  name = file.stem
  part = re.fullmatch(r'(.+)_(\d+)', name)
  if (images / name).is_dir() or not part:
    return images / name, 0
  first = 1
  for k in range(1, int(part[2]) + 1):
    first = _UAV_FIRST.get(f'{part[1]}_{k}', first)
    if k < int(part[2]):
      rows = sequences.read_rows(file.with_name(f'{part[1]}_{k}.txt'), (4,))
      first += len(rows) - 1
  return images / part[1], first
