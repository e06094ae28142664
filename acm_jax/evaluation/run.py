"""Runs trackers over a benchmark's sequences and writes result files."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from acm_jax.evaluation import drawing, report
from acm_jax.evaluation.baselines import BASELINES, Frames
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.results import write_result
from acm_jax.tracking import stream
from acm_jax.tracking.contract import Hparams, Tracker, Variables
from data_pipelines import layouts
from data_pipelines.progress import Progress
from data_pipelines.sequences import Sequence, read_frame

# Follows the target of a first box: frames in, a box a frame out, px, 0-based.
Method = Callable[[Frames, Float[np.ndarray, '4']], Float[np.ndarray, 'n 4']]

SHEET_SEQUENCES, SHEET_FRAMES = 6, 4


def method(tracker: Tracker, variables: Variables, hparams: Hparams) -> Method:
  """A trained tracker behind the signature of the baselines."""

  def run(frames, box_xywh):
    tracked = stream.follow(tracker, variables, hparams, frames, box_xywh[None])
    return np.concatenate([t.box_xywh for t in tracked]).astype(np.float64)

  return run


def baseline(name: str) -> Method:
  """A baseline by name.

  Raises:
    ValueError: There is none of that name; the message lists the known.
  """
  if name not in BASELINES:
    known = ', '.join(BASELINES)
    raise ValueError(f'--baseline: no {name!r}; there are {known}')
  return BASELINES[name]


def sequences(
  benchmark: Benchmark, root: Path, only: Collection[str] | None = None
) -> list[Sequence]:
  """The sequences of a benchmark that are there.

  Raises:
    OSError: `root` is not there.
    ValueError: A name in `only` is not there.
  """
  found = layouts.read(benchmark.layout, root, only)
  absent = set(only or ()) - {sequence.name for sequence in found}
  if absent:
    raise ValueError(
      f'--sequences: {", ".join(sorted(absent))} not found below {root}'
    )
  return found


def evaluate(
  methods: Mapping[str, Method],
  benchmark: Benchmark,
  root: Path,
  found: list[Sequence],
  out: Path,
) -> None:
  """Runs trackers over sequences, scores them, draws the first one's boxes.

  Args:
    methods: By name.
    benchmark: What the sequences are of.
    root: Its folder.
    found: The sequences.
    out: Gets the report, and a folder named like the benchmark with the report
      again, `tracked.png` and a folder of results for each tracker.
  """
  folders = [
    run(name, track, found, benchmark, out) for name, track in methods.items()
  ]
  own = out / benchmark.name
  names = [sequence.name for sequence in found]
  scored = report.score(benchmark.name, root, folders, own, only=names)
  report.write(scored, out)
  picture(folders[0], found, benchmark, own / 'tracked.png')


def run(
  name: str,
  track: Method,
  found: list[Sequence],
  benchmark: Benchmark,
  out: Path,
) -> Path:
  """Runs one tracker over sequences; returns the folder of its results."""
  folder = out / benchmark.name / name
  total = sum(len(sequence) for sequence in found)

  done = 0
  with Progress(name, total, 'frames') as shown:
    for sequence in found:
      frames = (read_frame(path) for path in sequence.frame_paths)
      try:
        boxes = track(frames, sequence.box_xywh[0])
      except ValueError as error:
        raise ValueError(f'{sequence.name}: {error}') from error
      write_result(folder, sequence.name, boxes, benchmark)
      done += len(boxes)
      shown.update(done)
  return folder


def picture(
  folder: Path, found: list[Sequence], benchmark: Benchmark, path: Path
) -> None:
  """Draws results (in colour) and truth (white) on frames of some sequences."""
  pictures = []
  for sequence in _evenly(found, SHEET_SEQUENCES):
    boxes = np.loadtxt(folder / f'{sequence.name}.txt', delimiter=',', ndmin=2)
    boxes[:, :2] -= benchmark.first_pixel
    for index in _evenly(range(len(sequence)), SHEET_FRAMES):
      frame = read_frame(sequence.frame_paths[index]).copy()
      drawing.draw_box(frame, sequence.box_xywh[index], drawing.TRUTH)
      label = f'{sequence.name} {index}'
      drawing.draw_box(frame, boxes[index], drawing.COLORS[0], label)
      pictures.append(frame)
  drawing.write_sheet(pictures, path)


def _evenly(items, count):
  places = np.linspace(0, len(items) - 1, min(count, len(items)))
  return [items[i] for i in places.round().astype(int)]
