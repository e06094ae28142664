"""Reads ground truth from official folders, text files and JSON files."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from acm_jax.datasets import image_files, layouts, nearby
from acm_jax.datasets.layouts import vot
from acm_jax.evaluation import toolkits
from acm_jax.evaluation.benchmarks import (
  BENCHMARKS,
  Benchmark,
  matcher,
  official,
)
from acm_jax.evaluation.results import read_boxes
from acm_jax.evaluation.truth import Truth
from acm_jax.host import listing, text_files


class _Annotation(NamedTuple):
  """Annotation of one sequence, as read from its file.

  Attributes:
    where: File and name of the sequence, for error messages.
    name: Name of the sequence in the file.
    regions: Region in each frame, px: x, y, w, h, or the corners of a polygon.
    absent: For each frame, whether the target is labelled as absent. None if
      the file has no such labels.
    size: Width and height of the images, px; None if unknown.
    frame: Path of one of the images, or None. The size is read from this image
      if `size` is None.
    attributes: Attributes of the sequence, such as occlusion, as the benchmark
      names them; empty if not annotated.
    anchors: Dictionary from anchors, which are the indices of the frames at
      which trackers are started, to the direction of tracking: 1 forward, -1
      backward. Empty if the benchmark has no anchors.
  """

  where: str
  name: str
  regions: np.ndarray | tuple[np.ndarray, ...]
  absent: np.ndarray | None
  size: tuple[int, int] | None = None
  frame: Path | None = None
  attributes: tuple[str, ...] = ()
  anchors: Mapping[int, int] = MappingProxyType({})


def read(benchmark: Benchmark, path: Path) -> dict[str, Truth]:
  """Reads all annotations at a path.

  Args:
    benchmark: Benchmark of the annotations.
    path: One of: a JSON file of pysot or DaSiamRPN; a folder with one such
      file; a folder with `annotations/<sequence>.txt` and, if absence is
      labelled, `absent/<sequence>.txt` (1 = absent); the root folder of the
      official benchmark. Coordinates in JSON files must be 0-based if those in
      the official files are, and else 1-based.

  Returns:
    A dictionary from names of sequences to their ground truth.

  Raises:
    OSError: A file cannot be read.
    ValueError: A file is malformed, or annotates another benchmark.
  """
  return {
    name: Truth(
      own.regions,
      own.absent,
      own.size or _size(own.frame),
      own.attributes,
      benchmark.first_pixel,
      own.anchors,
    )
    for name, own in _annotations(benchmark, path).items()
  }


def _size(frame):
  if frame is None:
    return None
  height, width = image_files.size(frame)
  return width, height


def _annotations(benchmark: Benchmark, path: Path) -> dict[str, _Annotation]:
  if not path.exists():
    raise FileNotFoundError(
      f'{path}: no such file or folder; give the path of the annotations'
    )
  found = _read_files(path, benchmark)
  if found is None:
    try:
      found = _read_layout(path, benchmark)
    except (FileNotFoundError, layouts.NoSequence) as error:
      meant = nearby.find(path, lambda folder: _has_files(folder, benchmark))
      if meant is None:
        raise
      raise FileNotFoundError(
        f'{path}: no annotations of {benchmark.name}, but {meant} has some: '
        'give that folder'
      ) from error
  by_name = _official(found, benchmark, path)
  if not by_name:
    raise ValueError(
      f'{path}: no annotations of {benchmark.name}; choose another path or '
      '`benchmark`'
    )
  for own in by_name.values():
    _check(own, benchmark)
  return by_name


def _read_files(path: Path, benchmark: Benchmark) -> list[_Annotation] | None:
  """Reads a JSON file, a folder with one, or a folder of text files.

  Returns None if a folder has no such files.
  """
  if path.is_file():
    return _read_json(path)
  if (path / 'annotations').is_dir():
    return _read_texts(path, benchmark)
  jsons = listing.find(path, '*.json')
  if len(jsons) > 1:
    listed = ', '.join(each.name for each in jsons)
    raise ValueError(
      f'{path}: several JSON files, {listed}; give the path of one of them'
    )
  return _read_json(jsons[0]) if jsons else None


def _has_files(path: Path, benchmark: Benchmark) -> bool:
  """Returns whether `_read_files` finds annotations of a benchmark."""
  found = _read_files(path, benchmark)
  return bool(found and _official(found, benchmark, path))


def _check(annotation: _Annotation, benchmark: Benchmark) -> None:
  where, regions = annotation.where, annotation.regions
  numbers = regions
  if not isinstance(regions, np.ndarray):
    if benchmark.layout != 'vot':
      raise ValueError(
        f'{where}: regions are polygons, but {benchmark.name} has boxes; give '
        'x, y, w, h'
      )
    numbers = np.concatenate(regions)
  if np.isinf(numbers).any():
    row = [np.isinf(region).any() for region in regions].index(True) + 1
    raise ValueError(
      f'{where} row {row}: infinite number; write NaN for a frame without a '
      'target'
    )
  first = vot.region_box(regions[0])
  if not (np.isfinite(first).all() and (first[2:] > 0).all()):
    raise ValueError(
      f'{where} row 1: the box {first.tolist()} must be finite and have an '
      'area, because trackers are started on it'
    )
  if (
    annotation.absent is None
    and benchmark.labels_absence
    and benchmark.sequences
  ):
    raise ValueError(
      f'{where}: no absence labels, which the scores of {benchmark.name} need; '
      'add `absent` (1 = present) to the JSON file, or absent/<sequence>.txt '
      '(1 = absent) next to annotations/'
    )


def _read_json(path):
  text = text_files.read(path)
  try:
    content = json.loads(text)
    entries = list(content.items())
  except (ValueError, AttributeError):
    raise ValueError(
      f'{path}: not a JSON object with names of sequences as keys'
    ) from None
  return [_json_annotation(path, name, entry) for name, entry in entries]


def _json_annotation(path: Path, name: str, entry: Any) -> _Annotation:
  where = f'{path}, {name}'
  try:
    rows = list(entry['gt_rect'])
  except (KeyError, TypeError):
    rows = []
  if not rows:
    raise ValueError(
      f'{where}: gt_rect is missing, empty or not a list; give one region per '
      'frame'
    )
  for number, row in enumerate(rows, 1):
    if not _is_region(row):
      raise ValueError(
        f'{where}: gt_rect row {number} is {row!r}; give x, y, w, h, or the '
        'corners of a polygon (6 or more numbers, an even count)'
      )
  regions = tuple(np.array(row, np.float64) for row in rows)
  if {len(row) for row in rows} == {4}:
    regions = np.stack(regions)
  for key in ('img_names', 'image_files'):
    images = entry.get(key) or rows
    if not isinstance(images, list):
      raise ValueError(
        f'{where}: {key} must be a list of image names, one per frame'
      )
    if len(images) != len(rows):
      raise ValueError(
        f'{where}: gt_rect has {len(rows)} rows, but {key} has {len(images)}; '
        'give one row and one image per frame'
      )
  first = entry.get('init_rect', rows[0])
  if not _is_region(first):
    raise ValueError(f'{where}: init_rect is {first!r}; give x, y, w, h')
  # Polygons are not compared, because toolkits derive the first box from a
  # polygon by different rules.
  if len(rows[0]) == 4 == len(first) and not np.allclose(
    first, rows[0], rtol=0, atol=1, equal_nan=True
  ):
    raise ValueError(
      f'{where}: init_rect {first} differs from the first row of gt_rect, '
      f'{rows[0]}, by more than 1 px; correct one of them'
    )
  attributes = entry.get('attr', [])
  if not isinstance(attributes, list):
    raise ValueError(f'{where}: attr must be a list of attribute names')
  absent, size = _json_absence(where, entry), _json_size(where, entry)
  own = _annotation(where, name, regions, absent, size)
  return own._replace(attributes=tuple(map(str, attributes)))


def _json_absence(where, entry):
  labels = entry.get('absent')
  if labels is None:
    return None
  if not isinstance(labels, list) or not all(each in (0, 1) for each in labels):
    raise ValueError(
      f'{where}: absent must be a list of 0 and 1 (1 = present), one per frame'
    )
  # Despite the name of the field, 1 means present.
  return np.array(labels) == 0


def _json_size(where, entry):
  size = width, height = entry.get('width'), entry.get('height')
  if size == (None, None):
    return None
  if not all(isinstance(each, int) and each > 0 for each in size):
    raise ValueError(
      f'{where}: width and height must be positive integers, not {width!r} and '
      f'{height!r}'
    )
  return size


def _is_region(row):
  if not isinstance(row, list):
    return False
  numbers = all(isinstance(value, int | float) for value in row)
  return numbers and (len(row) == 4 or (len(row) >= 6 and len(row) % 2 == 0))


def _read_texts(root, benchmark):
  found = []
  for path in listing.find(root / 'annotations', '*.txt'):
    boxes = read_boxes(path)
    labels = root / 'absent' / path.name
    absent = None
    if benchmark.labels_absence and labels.exists():
      absent = _read_labels(labels)
    found.append(_annotation(str(path), path.stem, boxes, absent))
  return found


def _read_labels(path):
  words = text_files.read(path).replace(',', ' ').split()
  if unknown := set(words) - {'0', '1'}:
    raise ValueError(
      f'{path}: absence labels must be 0 or 1, not {min(unknown)!r}'
    )
  return np.array(words) == '1'


def _read_layout(root, benchmark):
  if benchmark.layout == 'vot':
    return [
      _Annotation(
        where=f'{root}, {name}',
        name=name,
        regions=own.region,
        absent=None,
        frame=next(iter(own.images.values())),
        anchors=own.anchors,
      )
      for name, own in vot.regions(root).items()
    ]
  found = []
  for sequence in official(benchmark, layouts.read(benchmark.layout, root)):
    boxes = sequence.box_xywh.astype(np.float64)
    boxes[:, :2] += benchmark.first_pixel
    own = _Annotation(
      where=f'{root}, {sequence.name}',
      name=sequence.name,
      regions=boxes,
      absent=sequence.absent if benchmark.labels_absence else None,
      attributes=sequence.attributes,
    )
    if toolkits.get(benchmark.protocol, benchmark.name).needs_sizes:
      own = own._replace(size=_size(sequence.frame_paths[0]))
    found.append(own)
  return found


def _annotation(where, name, regions, absent, size=None) -> _Annotation:
  """Creates an annotation; checks the number of absence labels."""
  if absent is not None and absent.shape != (len(regions),):
    raise ValueError(
      f'{where}: {absent.size} absence labels for {len(regions)} boxes; give '
      'one label per frame'
    )
  return _Annotation(where, name, regions, absent, size)


def _official(found, benchmark, path) -> dict[str, _Annotation]:
  """Returns a dictionary from official names of sequences to annotations."""
  match = matcher(benchmark, benchmark.sequences)
  whole = BENCHMARKS.get(benchmark.whole)
  match_whole = matcher(whole, whole.sequences) if whole else match
  by_name = {}
  for own in found:
    name = match(own.name) if benchmark.sequences else own.name
    if name is None:
      if match_whole(own.name):
        continue
      raise ValueError(
        f'{path}: {own.name} is not a sequence of {benchmark.name}; to score '
        "other sequences, set `benchmark` to 'folder'"
      )
    if name in by_name:
      raise ValueError(f'{path}: two annotations of {name}; remove one')
    by_name[name] = own
  return by_name
