"""Runs trackers over a benchmark's sequences and writes result files."""

import dataclasses
import functools
import json
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from acm_jax.evaluation import archives, drawing, report, results
from acm_jax.evaluation.baselines import BASELINES
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.tracking import lanes
from acm_jax.tracking.contract import Hparams, Tracker, Variables
from data_pipelines import layouts
from data_pipelines.progress import Progress
from data_pipelines.sequences import Sequence, read_frame
from data_pipelines.staging import replacing

SHEET_SEQUENCES, SHEET_FRAMES = 6, 4


class Outcome(NamedTuple):
  """What a tracker made of a sequence.

  Attributes:
    index: Its place among the sequences.
    box_xywh: A box a frame, px, 0-based.
    seconds: What each frame took, without decoding it.
    seconds_with_decode: The same with decoding.
  """

  index: int
  box_xywh: Float[np.ndarray, 'n 4']
  seconds: Float[np.ndarray, 'n']
  seconds_with_decode: Float[np.ndarray, 'n']


# Is told a sequence's place, a frame and the box there; says whether to stop.
Until = Callable[[int, int, np.ndarray], bool]
# Follows the first boxes of sequences, in any order; tells how many frames are
# done. It may go on after it was told to stop.
Follow = Callable[
  [list[Sequence], Callable[[int], None], Until | None], Iterator[Outcome]
]


@dataclasses.dataclass(frozen=True)
class Method:
  """A tracker that is evaluated.

  Attributes:
    follow: What it does.
    about: What its results hang on, to be known again by.
    programs: What it has compiled, if anything.
  """

  follow: Follow
  about: Mapping[str, Any]
  programs: lanes.Programs | None = None


def method(
  tracker: Tracker,
  variables: Variables,
  hparams: Hparams,
  precision: str = 'highest',
  lane_count: int = 1,
) -> Method:
  """A trained tracker.

  Args:
    tracker: The algorithm.
    variables: Of its network.
    hparams: Penalty, window and smoothing.
    precision: Of matrix products.
    lane_count: How many sequences are followed at once.
  """
  programs = lanes.Programs()

  def follow(found, on_frames, until=None):
    videos = [
      lanes.Video(
        sequence.name,
        len(sequence),
        functools.partial(_frame, sequence),
        sequence.box_xywh[0],
        functools.partial(until, index) if until else None,
      )
      for index, sequence in enumerate(found)
    ]
    with jax.default_matmul_precision(precision):
      for followed in lanes.follow(
        tracker,
        variables,
        hparams,
        videos,
        lanes=lane_count,
        programs=programs,
        on_frames=on_frames,
      ):
        boxes = followed.tracked.box_xywh.astype(np.float64)
        yield Outcome(followed.index, boxes, *followed[2:])

  about = {
    'weights': _fingerprint(variables),
    'tracker': repr(tracker),
    'hparams': {k: float(v) for k, v in vars(hparams).items()},
    'precision': precision,
  }
  return Method(follow, about, programs)


def _frame(sequence: Sequence, index: int) -> np.ndarray:
  return read_frame(sequence.frame_paths[index])


def _fingerprint(variables: Variables) -> str:
  total = 0
  for leaf in jax.tree.leaves(variables):
    total = zlib.crc32(np.ascontiguousarray(leaf), total)
  return f'{total:08x}'


def baseline(name: str) -> Method:
  """A baseline by name.

  Raises:
    ValueError: There is none of that name; the message lists the known.
  """
  if name not in BASELINES:
    known = ', '.join(BASELINES)
    raise ValueError(f'--baseline: no {name!r}; there are {known}')

  def follow(found, on_frames, until=None):
    del until
    for index, sequence in enumerate(found):
      decoding = []

      def frames(sequence=sequence, decoding=decoding):
        for path in sequence.frame_paths:
          begun = time.perf_counter()
          frame = read_frame(path)
          decoding.append(time.perf_counter() - begun)
          on_frames(1)
          yield frame

      begun = time.perf_counter()
      try:
        boxes = BASELINES[name](frames(), sequence.box_xywh[0])
      except ValueError as error:
        raise ValueError(f'{sequence.name}: {error}') from error
      total, count = time.perf_counter() - begun, len(sequence)
      alone = np.full(count, (total - sum(decoding)) / count)
      yield Outcome(index, boxes, alone, np.full(count, total / count))

  return Method(follow, {'baseline': name})


def sequences(
  benchmark: Benchmark, root: Path, only: Collection[str] | None = None
) -> list[Sequence]:
  """The sequences of a benchmark that are there.

  Raises:
    OSError: `root` is not there.
    ValueError: A name in `only` is not there.
  """
  found = layouts.read(benchmark.layout, root, only)
  if benchmark.sequences:
    found = [s for s in found if s.name in benchmark.sequences]
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

  Where only a server has the annotations, an archive for it is written instead
  of scores.

  Args:
    methods: By name.
    benchmark: What the sequences are of.
    root: Its folder.
    found: The sequences.
    out: Gets the report, and a folder named like the benchmark with the report
      again, `tracked.png` and a folder of results for each tracker.
  """
  folders = [
    run(name, each, found, benchmark, out) for name, each in methods.items()
  ]
  own = out / benchmark.name
  if benchmark.hidden:
    for folder in folders:
      print(archives.write(folder, benchmark, own / f'{folder.name}.zip'))
  else:
    names = [sequence.name for sequence in found]
    scored = report.score(benchmark.name, root, folders, own, only=names)
    report.write(scored, out)
  picture(folders[0], found, benchmark, own / 'tracked.png')


def run(
  name: str,
  method: Method,
  found: list[Sequence],
  benchmark: Benchmark,
  out: Path,
) -> Path:
  """Runs one tracker over sequences; returns the folder of its results.

  Sequences that an earlier run of the same tracker has done are left out.

  Raises:
    ValueError: The results there are of another tracker, or a sequence cannot
      be tracked; the message names it.
  """
  folder = out / benchmark.name / name
  about = json.dumps(method.about, indent=1) + '\n'
  _check_owner(folder, about)
  left = [s for s in found if not results.is_done(folder, s, benchmark)]
  done = frames = sum(len(s) for s in found) - sum(len(s) for s in left)
  spent, spent_with_decode = 0.0, 0.0
  with Progress(name, sum(map(len, found)), 'frames', done) as shown:

    def on_frames(count):
      nonlocal done
      done += count
      shown.update(done)

    for outcome in method.follow(left, on_frames):
      sequence = left[outcome.index]
      _own(folder, about)
      results.write_times(folder, sequence.name, benchmark, *outcome[2:])
      results.write_result(folder, sequence.name, outcome.box_xywh, benchmark)
      spent += outcome.seconds.sum()
      spent_with_decode += outcome.seconds_with_decode.sum()
  if left:
    frames = sum(map(len, left))
    summary = {
      'frames': frames,
      'frames_per_second': frames / spent,
      'frames_per_second_with_decode': frames / spent_with_decode,
    }
    if method.programs is not None:
      summary |= {
        'programs': len(method.programs),
        'compile_seconds': method.programs.seconds,
      }
    results.write_speed(folder, summary)
    print(f'{name}: {_told(summary)}')
  return folder


def _told(summary: Mapping[str, Any]) -> str:
  text = (
    f'{summary["frames_per_second"]:.1f} frames/s, '
    f'{summary["frames_per_second_with_decode"]:.1f} with decoding'
  )
  if 'programs' in summary:
    text += (
      f'; {summary["programs"]} programs compiled in '
      f'{summary["compile_seconds"]:.1f} s'
    )
  return text


_OWNER = 'tracker.json'


def _check_owner(folder: Path, about: str) -> None:
  """Makes sure that what is in a folder is of the same tracker."""
  path = folder / _OWNER
  if path.is_file() and path.read_text() != about:
    raise ValueError(
      f'{folder}: has results of another tracker or other hyper-parameters; '
      'remove it or name another --out'
    )
  if not path.is_file() and folder.is_dir() and any(folder.iterdir()):
    raise ValueError(
      f'{folder}: has results of an unknown tracker; remove it or name '
      'another --out'
    )


def _own(folder: Path, about: str) -> None:
  folder.mkdir(parents=True, exist_ok=True)
  if not (folder / _OWNER).is_file():
    with replacing(folder / _OWNER) as path:
      path.write_text(about)


def picture(
  folder: Path, found: list[Sequence], benchmark: Benchmark, path: Path
) -> None:
  """Draws results (in colour) and truth (white) on frames of some sequences."""
  pictures = []
  for sequence in _evenly(found, SHEET_SEQUENCES):
    file = results.result_path(folder, sequence.name, benchmark)
    boxes = results.read_boxes(file)
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
