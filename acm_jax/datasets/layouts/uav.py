"""UAV123, UAV20L and UAV123 at 10 frames per second."""

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from acm_jax.datasets import image_names, sequences, tables
from acm_jax.datasets.sequences import Sequence
from acm_jax.host import listing

# Number of the first image, for the parts of UAV123_10fps videos that do not
# start at the last image of the previous part.
_UAV_FIRST = {'bird1_2': 259, 'bird1_3': 525, 'uav1_3': 825}
# Attributes, in the order of the columns of the annotation files.
_ATTRIBUTES = (
  'SV',  # Scale variation.
  'ARC',  # Aspect ratio change.
  'LR',  # Low resolution.
  'FM',  # Fast motion.
  'FOC',  # Full occlusion.
  'POC',  # Partial occlusion.
  'OV',  # Out of view.
  'BC',  # Background clutter.
  'IV',  # Illumination variation.
  'VC',  # Viewpoint change.
  'CM',  # Camera motion.
  'SOB',  # Similar objects.
)


def uav123(root: Path) -> Iterator[Sequence]:
  """Reads UAV123 from `data_seq/` and `anno/`.

  Boxes are 1-based, and NaN where the target is absent.

  The file `tables/uav123.csv` lists the images of each sequence.
  """
  return _uav(root, 'uav123', 'UAV123')


def uav20l(root: Path) -> Iterator[Sequence]:
  """Reads UAV20L: whole videos of UAV123, annotated in `anno/UAV20L/`.

  Boxes are 1-based, and NaN where the target is absent.
  """
  return _uav(root, 'uav20l', 'UAV20L')


def _uav(root: Path, table: str, annotations: str) -> Iterator[Sequence]:
  # Several sequences share a folder.
  numbered = functools.cache(image_names.numbered_folder)
  for name, part in tables.parts(table).items():
    folder = root / 'data_seq' / 'UAV123' / part.folder
    if folder.is_dir():
      file = root / 'anno' / annotations / f'{name}.txt'
      boxes = sequences.read_boxes(file, first_pixel=1)
      if len(boxes) != part.last - part.first + 1:
        raise ValueError(
          f'{file}: {len(boxes)} rows, but {name} has images {part.first} to '
          f'{part.last}; download the file again'
        )
      yield _sequence(file, boxes, numbered(folder), part.first)


def _sequence(
  file: Path, boxes: np.ndarray, images: Mapping[int, Path], first: int | None
) -> Sequence:
  """Makes the sequence that an annotation file is named after.

  Args:
    file: Annotation file.
    boxes: Rows of the file.
    images: Dictionary from numbers to the images of the video.
    first: Number of the image of the first row, as in `image_names.of_rows`.
  """
  frames = image_names.of_rows(images, len(boxes), file.stem, str(file), first)
  attributes = _attributes(file)
  return sequences.make(file.stem, frames, boxes, file, attributes=attributes)


def _attributes(boxes: Path) -> list[str]:
  """Reads `att/<seq>.txt`: one row with 0 or 1 for each attribute.

  Args:
    boxes: File of the sequence's boxes, `<seq>.txt`.
  """
  file = boxes.parent / 'att' / boxes.name
  if not file.is_file():
    return []
  rows = sequences.read_rows(file, (len(_ATTRIBUTES),))
  if len(rows) != 1 or not set(rows[0]) <= {0, 1}:
    raise ValueError(
      f'{file}: must be one row with 0 or 1 for each of the '
      f'{len(_ATTRIBUTES)} attributes'
    )
  return [name for name, on in zip(_ATTRIBUTES, rows[0], strict=True) if on]


def uav123_10fps(root: Path) -> Iterator[Sequence]:
  """Reads UAV123_10fps from `data_seq/` and `anno/`.

  Boxes are 1-based, and NaN where the target is absent.

  Some videos are cut into parts `<folder>_<k>`, each a sequence. Part k starts
  at the last image of part k - 1, except for three parts, which start after
  that image.
  """
  videos = root / 'data_seq' / 'UAV123_10fps'
  annotations = root / 'anno' / 'UAV123_10fps'
  # Several sequences share a folder.
  numbered = functools.cache(image_names.numbered_folder)
  for file in listing.find(annotations, '*.txt'):
    folder, first = _folder_and_first(videos, file)
    if folder.is_dir():
      boxes = sequences.read_boxes(file, first_pixel=1)
      yield _sequence(file, boxes, numbered(folder), first)


def _folder_and_first(videos: Path, file: Path) -> tuple[Path, int | None]:
  """Returns the folder of a sequence's images, and the first image's number.

  The number is None if the sequence is a whole video.

  Args:
    videos: Folder of all videos.
    file: Annotation file of the sequence.
  """
  name = file.stem
  part = re.fullmatch(r'(.+)_(\d+)', name)
  if (videos / name).is_dir() or not part:
    return videos / name, None
  first = 1
  for k in range(1, int(part[2]) + 1):
    first = _UAV_FIRST.get(f'{part[1]}_{k}', first)
    if k < int(part[2]):
      rows = sequences.read_rows(file.with_name(f'{part[1]}_{k}.txt'), (4,))
      first += len(rows) - 1
  return videos / part[1], first
