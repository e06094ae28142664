"""Benchmarks from data sets on which trackers are also trained.

The readers of the training sets, in `sources`, read the files. They do not read
the test sets of which only the first box of each video is public.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from etils import epath

from acm_jax.datasets import image_names, sequences, sources, tables, trees
from acm_jax.datasets.sequences import Sequence
from acm_jax.datasets.sources import got10k as got10k_source
from acm_jax.datasets.sources import lasot as lasot_source
from acm_jax.datasets.sources import source
from acm_jax.datasets.sources.source import Unit
from acm_jax.datasets.track import Track
from acm_jax.host import listing


def lasot(root: Path) -> Iterator[Sequence]:
  """Reads LaSOT's test set, LaSOT_ext or both: `[<class>/]<class>-<n>/`.

  The layout of a sequence is that of `sources.lasot`; boxes are 1-based.
  """
  tested = {*tables.names('lasot'), *tables.names('lasot_ext')}
  tree = trees.Folder(epath.Path(root))
  folders = source.find_folders(tree, r'[a-zA-Z]+-\d+')
  return (
    _of_track(track, root)
    for name, folder in folders.items()
    if name in tested
    for track in lasot_source.tracks(tree, Unit(name, folder))
  )


def got10k_val(root: Path) -> Iterator[Sequence]:
  """Reads GOT-10k's validation set: `[val/]GOT-10k_Val_%06d/`.

  The layout of a sequence is that of `sources.got10k`; boxes are 1-based.
  """
  tree = trees.Folder(epath.Path(root))
  folders = source.find_folders(tree, r'GOT-10k_Val_\d+')
  return (
    _of_track(track, root)
    for name, folder in folders.items()
    for track in got10k_source.tracks(tree, Unit(name, folder))
  )


def got10k_test(root: Path) -> Iterator[Sequence]:
  """Reads GOT-10k's test set: `[test/]GOT-10k_Test_%06d/`; boxes are 1-based.

  Only the first box of a sequence is public; the other boxes are NaN.
  """
  tree = trees.Folder(epath.Path(root))
  folders = source.find_folders(tree, r'GOT-10k_Test_\d+')
  return (
    _first_box_known(
      name,
      root / folder,
      root / folder / 'groundtruth.txt',
      first_pixel=1,
      first=1,
    )
    for name, folder in folders.items()
  )


def trackingnet(root: Path) -> Iterator[Sequence]:
  """Reads TrackingNet's test set: `[TEST/]{anno,frames}/`; boxes are 0-based.

  Only the first box of a video is public; the other boxes are NaN. Videos
  without a folder of frames are left out.
  """
  part = root / 'TEST' if (root / 'TEST').is_dir() else root
  return (
    _first_box_known(
      file.stem, part / 'frames' / file.stem, file, first_pixel=0, first=0
    )
    for file in listing.find(part / 'anno', '*.txt')
    if (part / 'frames' / file.stem).is_dir()
  )


def _first_box_known(
  name: str, folder: Path, file: Path, first_pixel: int, first: int
) -> Sequence:
  """Reads a sequence of which only the first box is public.

  Args:
    name: Name of the sequence.
    folder: Folder of the images, whose numbers must not have gaps.
    file: Annotation file.
    first_pixel: Coordinate that the file gives to the first pixel, 0 or 1.
    first: Number of the first image.
  """
  numbered = image_names.numbered_folder(folder)
  begin = min(first, *numbered)
  # A result has a row for every image.
  rows, where = max(numbered) - begin + 1, f'{folder}, result'
  frames = image_names.of_rows(numbered, rows, name, where, begin)
  boxes = np.full((len(frames), 4), np.nan, np.float32)
  boxes[0] = sequences.read_boxes(file, first_pixel)[0]
  return sequences.make(name, frames, boxes, source=file)


def of_source(name: str) -> Callable[[Path], Iterator[Sequence]]:
  """Returns a function that reads all sequences of a training set.

  Args:
    name: Name of the training set, as in `sources.names`.
  """

  def read(root: Path) -> Iterator[Sequence]:
    tree, reader = trees.Folder(epath.Path(root)), sources.make(name)
    return (
      _of_track(track, root)
      for unit in reader.units(tree)
      for track in reader.tracks(tree, unit)
    )

  return read


def davis(root: Path) -> Iterator[Sequence]:
  """Reads DAVIS in the layout of `sources.davis`; boxes are 0-based.

  A sequence begins with the first frame that shows its target.
  """
  return (
    Sequence(
      sequence.name,
      sequence.frame_paths[first:],
      sequence.box_xywh[first:],
      sequence.absent[first:],
    )
    for sequence in of_source('davis')(root)
    for first in np.flatnonzero(sequence.visible)[:1]
  )


def _of_track(track: Track, root: Path) -> Sequence:
  return Sequence(
    track.name,
    tuple(root / file for file in track.files),
    track.box_xywh,
    ~track.visible,
  )
