"""Runs trackers over a benchmark's sequences and writes result files."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from acm_jax.evaluation import (
  annotations,
  archives,
  drawing,
  owner,
  report,
  results,
  supervise,
)
from acm_jax.evaluation.benchmarks import Benchmark, official
from acm_jax.evaluation.methods import Method
from data_pipelines import layouts
from data_pipelines.progress import Progress
from data_pipelines.sequences import Sequence, read_frame

SHEET_SEQUENCES, SHEET_FRAMES = 6, 4


def sequences(
  benchmark: Benchmark, root: Path, only: Collection[str] | None = None
) -> list[Sequence]:
  """The sequences of a benchmark that are there.

  Raises:
    OSError: `root` is not there.
    ValueError: None is the benchmark's, or a name in `only` is not there.
  """
  if benchmark.experiment in ('anchors', 'long_term'):
    raise ValueError(
      f'{benchmark.name}: run by its own toolkit, see acm_jax.vot; its results '
      'are scored by acm_jax.score'
    )
  read = layouts.read(benchmark.layout, root)
  known = official(benchmark, read)
  if not known:
    raise ValueError(
      f'{root}: {read[0].name} and the others there are no sequences of '
      f'{benchmark.name}; run others with --benchmark folder'
    )
  found = [s for s in known if not only or s.name in only]
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
    run(name, each, found, benchmark, root, out)
    for name, each in methods.items()
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
  root: Path,
  out: Path,
) -> Path:
  """Runs one tracker over sequences; returns the folder of its results.

  Sequences that an earlier run of the same tracker has done are left out. Of
  VOT's benchmarks it is the reset protocol.

  Raises:
    ValueError: The results there are of another tracker, or a sequence cannot
      be tracked; the message names it.
  """
  folder = out / benchmark.name / name
  owner.check(folder, method.about)
  left = [s for s in found if not results.is_done(folder, s, benchmark)]
  total = sum(map(len, found))
  done = total - sum(map(len, left))
  spent: list[np.ndarray] = []
  with Progress(name, total, 'frames', done) as shown:

    def on_frames(count):
      nonlocal done
      done += count
      # Under the reset protocol some frames are skipped, some followed twice.
      shown.update(min(done, total))

    if benchmark.experiment == 'reset':
      truths = annotations.read_regions(benchmark, root)
      outcomes = supervise.supervise(method.follow, left, truths, on_frames)
    else:
      outcomes = method.follow(left, on_frames, None)
    for index, made, *times in outcomes:
      owner.mark(folder, method.about)
      results.write_times(folder, left[index].name, benchmark, *times)
      if benchmark.experiment == 'reset':
        results.write_run(folder, left[index].name, made)
      else:
        results.write_result(folder, left[index].name, made, benchmark)
      spent.append(np.array([(times[0] > 0).sum(), *map(np.sum, times)]))
  if spent:
    summary = _summary(method, *np.sum(spent, axis=0))
    results.write_speed(folder, summary)
    print(f'{name}: {_told(summary)}')
  return folder


def _summary(method, frames, seconds, seconds_with_decode) -> dict[str, Any]:
  summary = {
    'frames': int(frames),
    'frames_per_second': frames / seconds,
    'frames_per_second_with_decode': frames / seconds_with_decode,
  }
  if method.programs is not None:
    summary |= {
      'programs': len(method.programs),
      'compile_seconds': method.programs.seconds,
    }
  return summary


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


def picture(
  folder: Path, found: list[Sequence], benchmark: Benchmark, path: Path
) -> None:
  """Draws results (in colour) and truth (white) on frames of some sequences."""
  pictures = []
  for sequence in _evenly(found, SHEET_SEQUENCES):
    file = results.result_path(folder, sequence.name, benchmark)
    boxes = results.boxes_of(file, benchmark)
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
