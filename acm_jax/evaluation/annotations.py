"""Ground truth for scoring, from any of the forms that it is passed on in."""

import dataclasses
import json
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from acm_jax.evaluation.benchmarks import Benchmark, spelling
from acm_jax.evaluation.results import read_boxes
from data_pipelines import layouts


@dataclasses.dataclass(frozen=True, eq=False)
class Annotation:
  """The true boxes of one sequence.

  Attributes:
    name: Sequence, as the benchmark's official list spells it.
    box_xywh: A box a frame, px, in the benchmark's own pixel base; NaN or
      without area where there is no target.
    absent: Where the benchmark labels the target as absent.
  """

  name: str
  box_xywh: Float[np.ndarray, 'n 4']
  absent: Bool[np.ndarray, 'n']


def read(benchmark: Benchmark, path: Path) -> dict[str, Annotation]:
  """All annotations at `path`, by sequence name.

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
  if not path.exists():
    raise FileNotFoundError(f'{path}: no such file or folder of annotations')
  if path.is_file():
    found = _read_json(path)
  elif (path / 'annotations').is_dir():
    found = _read_texts(path, benchmark)
  elif len(jsons := sorted(path.glob('*.json'))) == 1:
    found = _read_json(jsons[0])
  else:
    found = _read_layout(path, benchmark)
  if not found:
    raise ValueError(f'{path}: no annotations of {benchmark.name} in it')
  return _official(found, benchmark, path)


def _read_json(path):
  try:
    content = json.loads(path.read_text())
    entries = list(content.items())
  except (ValueError, AttributeError):
    raise ValueError(f'{path}: not a JSON of sequences by name') from None
  return [_json_entry(path, name, entry) for name, entry in entries]


def _json_entry(path, name, entry):
  try:
    boxes = np.array(entry['gt_rect'], dtype=np.float64)
  except (KeyError, TypeError, ValueError):
    raise ValueError(
      f'{path}, {name}: gt_rect must hold four numbers a frame'
    ) from None
  if boxes.ndim != 2 or boxes.shape[1] != 4:
    raise ValueError(
      f'{path}, {name}: gt_rect has shape {list(boxes.shape)}, not [frames, '
      '4]: only upright boxes are scored'
    )
  # The name promises the opposite: 1 is present.
  present = np.array(entry.get('absent', np.ones(len(boxes))))
  return _annotation(path, name, boxes, present == 0)


def _read_texts(root, benchmark):
  found = []
  for path in sorted((root / 'annotations').glob('*.txt')):
    boxes = read_boxes(path)
    labels = root / 'absent' / path.name
    absent = np.zeros(len(boxes), dtype=bool)
    if benchmark.labels_absence and labels.exists():
      absent = _read_labels(labels)
    found.append(_annotation(path, path.stem, boxes, absent))
  return found


def _read_labels(path):
  words = path.read_text().replace(',', ' ').split()
  if not set(words) <= {'0', '1'}:
    raise ValueError(f'{path}: a label must be 0 or 1')
  return np.array(words) == '1'


def _read_layout(root, benchmark):
  if benchmark.layout is None:
    raise ValueError(
      f'{root}: the official folders of {benchmark.name} have no reader; give '
      'a JSON, or a folder with annotations/<sequence>.txt'
    )
  found = []
  for sequence in layouts.read(benchmark.layout, root):
    boxes = sequence.box_xywh.astype(np.float64)
    boxes[:, :2] += benchmark.first_pixel
    absent = ~sequence.visible & benchmark.labels_absence
    found.append(Annotation(sequence.name, boxes, absent))
  return found


def _annotation(path, name, boxes, absent):
  if absent.shape != (len(boxes),):
    raise ValueError(
      f'{path}: {name} has {absent.size} labels of absence for {len(boxes)} '
      'boxes'
    )
  return Annotation(name, boxes, absent)


def _official(found, benchmark, path):
  names = {spelling(name): name for name in benchmark.sequences}
  annotations = {}
  for annotation in found:
    name = names.get(spelling(annotation.name))
    if names and name is None:
      raise ValueError(
        f'{path}: {annotation.name} is no sequence of {benchmark.name}; '
        'score other sequences with --benchmark folder'
      )
    name = name or annotation.name
    if name in annotations:
      raise ValueError(f'{path}: two annotations of {name}')
    annotations[name] = dataclasses.replace(annotation, name=name)
  return annotations
