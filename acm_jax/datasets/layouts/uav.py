"""UAV123, UAV20L and UAV123 at 10 frames a second."""

import re
from pathlib import Path

from acm_jax.datasets import sequences, tables
from acm_jax.datasets.layouts.files import frames_from
from acm_jax.datasets.sequences import Sequence

# First image of the parts of a UAV123_10fps video that do not start at the
# last image of the part before.
_UAV_FIRST = {'bird1_2': 259, 'bird1_3': 525, 'uav1_3': 825}
# In the order of the files: scale variation, aspect ratio change, low
# resolution, fast motion, full and partial occlusion, out of view, background
# clutter, illumination variation, viewpoint change, camera motion, similar
# objects.
_ATTRIBUTES = (
  *('SV', 'ARC', 'LR', 'FM', 'FOC', 'POC'),
  *('OV', 'BC', 'IV', 'VC', 'CM', 'SOB'),
)


def uav123(root: Path) -> list[Sequence]:
  """UAV123: `data_seq/`, `anno/`, first pixel 1, NaN where absent.

  Which images of which folder a sequence has is in a table.
  """
  return _uav(root, 'uav123', 'UAV123')


def uav20l(root: Path) -> list[Sequence]:
  """UAV20L: UAV123's videos in whole, `anno/UAV20L/`."""
  return _uav(root, 'uav20l', 'UAV20L')


def _uav(root: Path, table: str, notes: str) -> list[Sequence]:
  found = []
  for name, place in tables.places(table).items():
    folder = root / 'data_seq' / 'UAV123' / place.folder
    if folder.is_dir():
      file = root / 'anno' / notes / f'{name}.txt'
      boxes = sequences.read_boxes(file, first_pixel=1)
      frames = frames_from(folder, place.first, place.last)
      if len(boxes) != place.last - place.first + 1:
        raise ValueError(
          f'{file}: {len(boxes)} rows; {name} has images {place.first} to '
          f'{place.last}'
        )
      attributes = _attributes(file)
      found.append(
        sequences.make(name, frames, boxes, file, attributes=attributes)
      )
  return found


def _attributes(notes: Path) -> list[str]:
  """Those of a sequence: `att/<seq>.txt` has a 1 or 0 for each."""
  file = notes.parent / 'att' / notes.name
  if not file.is_file():
    return []
  rows = sequences.read_rows(file, (len(_ATTRIBUTES),))
  if len(rows) != 1 or not set(rows[0]) <= {0, 1}:
    raise ValueError(f'{file}: must be one row of 0 and 1, one an attribute')
  return [name for name, on in zip(_ATTRIBUTES, rows[0], strict=True) if on]


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
      frames = frames_from(folder, first)
      attributes = _attributes(file)
      found.append(
        sequences.make(file.stem, frames, boxes, file, attributes=attributes)
      )
  return found


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
