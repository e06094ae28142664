"""Reads and writes boxes in the formats of annotation tools.

    annotations.xml    "CVAT for video 1.1": every track is a target. A box is
                       used unless it is marked as outside. Frames are counted
                       from 0, coordinates are 0-based.
    *.json             COCO: every image is a frame, found by its file name.
                       Annotations with the same `track_id`, which may be among
                       their `attributes`, show the same target; without
                       `track_id`, an image may have one object of a category,
                       and the category is the target. Coordinates are 0-based.
    gt.txt             MOT: rows frame,id,x,y,w,h,conf,... Rows whose conf is 0
                       are not used. Frames and coordinates are 1-based.
    *.csv              Table of `acm-jax track`, or another one with a header;
                       only read. Frames and coordinates are 0-based.
    folder             Sequences to train on (`sequences`); only written.

A zip file with one of these files, as CVAT writes it, is read as well.
"""

import collections
import math
from collections.abc import Sequence
from pathlib import Path

from etils import epath

from acm_jax.datasets import trees
from acm_jax.datasets.exports import coco, cvat, mot, table
from acm_jax.datasets.exports.target import Entry, Footage, Target
from acm_jax.datasets.trees import Tree, join
from acm_jax.datasets.videos import Video
from acm_jax.host import text_files
from acm_jax.host.staging import replacing

_XML, _MOT = 'annotations.xml', 'gt.txt'
# Folders in which an archive holds its file of annotations.
_FOLDERS = ('', 'annotations', 'gt')
_ADVICE = (
  'give the XML of "CVAT for video 1.1", the JSON of COCO, the gt.txt of MOT, '
  'or the boxes.csv of acm-jax track'
)
_READERS = {
  '.xml': cvat.read,
  '.json': coco.read,
  '.txt': mot.read,
  '.csv': table.read,
}
_WRITERS = {'.xml': cvat.text, '.json': coco.text, '.txt': mot.text}


def read(path: Path, video: Video) -> list[Target]:
  """Reads the targets in a video.

  Args:
    path: File that an annotation tool exported, or a zip file with it.
    video: Video that was annotated; no frame of it is read.

  Returns:
    The targets, in the order in which they first occur in the file.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file is in another format, is malformed, has no boxes, or
      belongs to a video of another length.
  """
  if path.suffix.lower() == '.zip':
    tree = trees.open_tree(path)
    name = _annotations(tree)
  else:
    tree, name = trees.Folder(epath.Path(path.parent)), path.name
  reader = _READERS.get(Path(name).suffix.lower())
  if reader is None:
    raise ValueError(f'{path}: unknown format; {_ADVICE}')
  targets: dict[str, dict[int, Entry]] = collections.defaultdict(dict)
  outside: dict[str, set[int]] = collections.defaultdict(set)
  for entry in reader(tree, name, video):
    if entry.outside:
      outside[entry.target].add(entry.frame)
    else:
      _check(entry, targets[entry.target])
      targets[entry.target][entry.frame] = entry
  if not targets:
    raise ValueError(f'{tree.where(name)}: no boxes of tracks; {_ADVICE}')
  last = max(map(max, targets.values()))
  if video.length is not None and last >= video.length:
    raise ValueError(
      f'{path}: has a box for frame {last}, counted from 0, but {video.name} '
      f'has {video.length} frames; give the video that was annotated'
    )
  return [
    _target(entries, frozenset(outside[name]))
    for name, entries in targets.items()
  ]


def write(path: Path, targets: Sequence[Target], footage: Footage) -> None:
  """Writes targets in the format that the name of a file says.

  Coordinates are written with three decimals.

  Args:
    path: File to write: .xml of CVAT, .json of COCO or .txt of MOT. An existing
      file is replaced.
    targets: Targets.
    footage: Video of the targets.
  """
  text = _WRITERS[path.suffix.lower()](targets, footage)
  with replacing(path) as partial:
    text_files.write(partial, text)


def check_suffix(path: Path) -> None:
  """Checks that the name of a file to write says a format.

  Raises:
    ValueError: It does not.
  """
  if path.suffix.lower() not in _WRITERS:
    raise ValueError(
      f'{path}: unknown format to write; choose a name that ends in .xml '
      '(CVAT), .json (COCO) or .txt (MOT), or one without a suffix for '
      'sequences'
    )


def _check(entry: Entry, others: dict[int, Entry]) -> None:
  """Checks a box, given the other boxes of its target."""
  size = entry.box[2:]
  valid = all(map(math.isfinite, entry.box)) and min(size) > 0
  if entry.frame < 0 or not valid:
    raise ValueError(
      f'{entry.where}: frame or box is not valid (frame {entry.frame} '
      f'counted from 0, x,y,w,h {entry.box}); correct or remove it'
    )
  if entry.frame in others:
    raise ValueError(
      f'{entry.where}: a second box of {entry.target} in the same frame; '
      'remove one of the boxes, or give the two objects different ids'
    )


def _target(entries: dict[int, Entry], outside: frozenset[int]) -> Target:
  entries = dict(sorted(entries.items()))
  return Target(
    {frame: entry.box for frame, entry in entries.items()},
    next(iter(entries.values())).category,
    frozenset(f for f, entry in entries.items() if entry.occluded),
    frozenset(f for f, entry in entries.items() if entry.given),
    outside,
    {f: entry.size_hw for f, entry in entries.items() if entry.size_hw},
  )


def _annotations(tree: Tree) -> str:
  """Returns the name of the file of annotations in an archive."""
  found = [
    join(folder, name)
    for folder in _FOLDERS
    for name in tree.files(folder)
    if name in (_XML, _MOT) or name.endswith('.json')
  ]
  if len(found) != 1:
    listed = ', '.join(found) or 'none'
    raise ValueError(
      f'{tree.label}: must have one file of annotations, but has {listed}; '
      f'unpack it, and {_ADVICE}'
    )
  return found[0]
