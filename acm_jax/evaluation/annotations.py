"""Ground truth for scoring, from any of the forms that it is passed on in."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from acm_jax.datasets import layouts, sequences
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


class _Note(NamedTuple):
  """What is said of one sequence.

  Attributes:
    where: File and sequence, for messages.
    name: As it is called there.
    regions: Four numbers a frame, or the corners of a polygon.
    absent: Where the target is labelled as absent; None without labels.
    size: Width and height of the images, px, if known.
    frame: An image of it, if there is one.
    attributes: What makes it hard, in the benchmark's words, if that is said.
    anchors: As in `Truth`.
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
  """All annotations at `path`, by sequence.

  Args:
    benchmark: What they are annotations of.
    path: A JSON in the dialect of pysot or of DaSiamRPN (both hold the numbers
      of the official files); a folder with one such JSON; a folder with
      `annotations/<sequence>.txt` and, where absence is labelled,
      `absent/<sequence>.txt` (1 = absent); or the official root.

  Raises:
    OSError: Something cannot be read.
    ValueError: Something is not an annotation, or not of this benchmark.
  """
  return {
    name: Truth(
      note.regions,
      note.absent,
      note.size or _size(note.frame),
      note.attributes,
      benchmark.first_pixel,
      note.anchors,
    )
    for name, note in _notes(benchmark, path).items()
  }


def _size(frame):
  if frame is None:
    return None
  height, width = sequences.read_frame(frame).shape[:2]
  return width, height


def _notes(benchmark: Benchmark, path: Path) -> dict[str, _Note]:
  if not path.exists():
    raise FileNotFoundError(f'{path}: no such file or folder of annotations')
  if path.is_file():
    found = _read_json(path)
  elif (path / 'annotations').is_dir():
    found = _read_texts(path, benchmark)
  elif len(jsons := sorted(path.glob('*.json'))) > 1:
    listed = ', '.join(each.name for each in jsons)
    raise ValueError(f'{path}: several JSONs, {listed}: name one of them')
  elif jsons:
    found = _read_json(jsons[0])
  else:
    found = _read_layout(path, benchmark)
  notes = _official(found, benchmark, path)
  if not notes:
    raise ValueError(f'{path}: no annotations of {benchmark.name} in it')
  for note in notes.values():
    _check(note, benchmark)
  return notes


def _check(note: _Note, benchmark: Benchmark) -> None:
  numbers = note.regions
  if not isinstance(numbers, np.ndarray):
    if benchmark.layout != 'vot':
      raise ValueError(
        f'{note.where}: polygons, but {benchmark.name} has boxes'
      )
    numbers = np.concatenate(numbers)
  if np.isinf(numbers).any():
    row = [np.isinf(region).any() for region in note.regions].index(True) + 1
    raise ValueError(f'{note.where} row {row}: a number that is not finite')
  first = vot.region_box(note.regions[0])
  if not (np.isfinite(first).all() and (first[2:] > 0).all()):
    raise ValueError(
      f'{note.where} row 1: trackers are started here; the box needs an area'
    )
  if note.absent is None and benchmark.labels_absence and benchmark.sequences:
    raise ValueError(
      f'{note.where}: no labels of absence, which {benchmark.name} is scored '
      'by; they are `absent` of a JSON, 1 where the target is present, or '
      'absent/<sequence>.txt beside annotations/, 1 where it is absent'
    )


def _read_json(path):
  try:
    content = json.loads(path.read_text())
    entries = list(content.items())
  except (ValueError, AttributeError):
    raise ValueError(f'{path}: not a JSON of sequences by name') from None
  return [_json_note(path, name, entry) for name, entry in entries]


def _json_note(path: Path, name: str, entry: Any) -> _Note:
  where = f'{path}, {name}'
  try:
    rows = list(entry['gt_rect'])
    bad = [i for i, row in enumerate(rows, 1) if not _is_region(row)][:1]
    regions = tuple(np.array(row, np.float64) for row in rows)
  except (KeyError, TypeError, ValueError):
    bad, regions = [], ()
  if bad or not regions:
    place = f' row {bad[0]}' if bad else ''
    raise ValueError(
      f'{where}: gt_rect{place} must hold four numbers a frame, or the corners '
      'of a polygon'
    )
  if {len(row) for row in rows} == {4}:
    regions = np.stack(regions)
  for key in ('img_names', 'image_files'):
    images = entry.get(key) or rows
    if not isinstance(images, list) or len(images) != len(rows):
      count = len(images) if isinstance(images, list) else 'no list'
      raise ValueError(f'{where}: gt_rect has {len(rows)} rows, {key} {count}')
  first = entry.get('init_rect', rows[0])
  if not isinstance(first, list) or not _is_region(first):
    raise ValueError(f'{where}: init_rect must hold four numbers')
  # Of a polygon it is a box that toolkits choose.
  if len(rows[0]) == 4 == len(first) and not np.allclose(
    first, rows[0], rtol=0, atol=1, equal_nan=True
  ):
    raise ValueError(f'{where}: init_rect is not the first of gt_rect')
  attributes = entry.get('attr', [])
  if not isinstance(attributes, list):
    raise ValueError(f'{where}: attr must be a list of names')
  absent, size = _json_absence(where, entry), _json_size(where, entry)
  note = _note(where, name, regions, absent, size)
  return note._replace(attributes=tuple(map(str, attributes)))


def _json_absence(where, entry):
  labels = entry.get('absent')
  if labels is None:
    return None
  if not isinstance(labels, list) or not all(each in (0, 1) for each in labels):
    raise ValueError(f'{where}: absent must be a list of 0 and 1')
  # The name promises the opposite: 1 is present.
  return np.array(labels) == 0


def _json_size(where, entry):
  size = entry.get('width'), entry.get('height')
  if size == (None, None):
    return None
  if not all(isinstance(each, int) and each > 0 for each in size):
    raise ValueError(f'{where}: width and height must be whole numbers above 0')
  return size


def _is_region(row):
  numbers = all(isinstance(value, int | float) for value in row)
  return numbers and (len(row) == 4 or (len(row) >= 6 and len(row) % 2 == 0))


def _read_texts(root, benchmark):
  found = []
  for path in sorted((root / 'annotations').glob('*.txt')):
    boxes = read_boxes(path)
    labels = root / 'absent' / path.name
    absent = None
    if benchmark.labels_absence and labels.exists():
      absent = _read_labels(labels)
    found.append(_note(str(path), path.stem, boxes, absent))
  return found


def _read_labels(path):
  words = path.read_text().replace(',', ' ').split()
  if not set(words) <= {'0', '1'}:
    raise ValueError(f'{path}: a label must be 0 or 1')
  return np.array(words) == '1'


def _read_layout(root, benchmark):
  if benchmark.layout == 'vot':
    return [
      _Note(
        f'{root}, {name}',
        name,
        own.region,
        None,
        frame=own.first,
        anchors=own.anchors,
      )
      for name, own in vot.regions(root).items()
    ]
  found = []
  for sequence in official(benchmark, layouts.read(benchmark.layout, root)):
    boxes = sequence.box_xywh.astype(np.float64)
    boxes[:, :2] += benchmark.first_pixel
    note = _Note(f'{root}, {sequence.name}', sequence.name, boxes, None)
    if benchmark.labels_absence:
      note = note._replace(absent=sequence.absent)
    if toolkits.get(benchmark.protocol, benchmark.name).needs_sizes:
      note = note._replace(size=_size(sequence.frame_paths[0]))
    found.append(note._replace(attributes=sequence.attributes))
  return found


def _note(where, name, regions, absent, size=None):
  if absent is not None and absent.shape != (len(regions),):
    raise ValueError(
      f'{where}: {name} has {absent.size} labels of absence for {len(regions)} '
      'boxes'
    )
  return _Note(where, name, regions, absent, size)


def _official(found, benchmark, path):
  match = matcher(benchmark, benchmark.sequences)
  of_whole = BENCHMARKS.get(benchmark.whole)
  in_whole = matcher(of_whole, of_whole.sequences) if of_whole else match
  notes = {}
  for note in found:
    name = match(note.name) if benchmark.sequences else note.name
    if name is None:
      if in_whole(note.name):
        continue
      raise ValueError(
        f'{path}: {note.name} is no sequence of {benchmark.name}; '
        'score other sequences with --benchmark folder'
      )
    if name in notes:
      raise ValueError(f'{path}: two annotations of {name}')
    notes[name] = note
  return notes
