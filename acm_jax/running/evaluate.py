"""Runs trackers over a benchmark's sequences and writes result files."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from acm_jax.datasets.sequences import Sequence, read_frame
from acm_jax.evaluation import (
  annotations,
  archives,
  experiments,
  owner,
  report,
  results,
  scoring,
)
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import Experiment, Truths
from acm_jax.host.progress import Progress
from acm_jax.running import drawing, scheduler
from acm_jax.running.scheduler import Follower, Job
from acm_jax.tracking.engine import Programs

SHEET_SEQUENCES, SHEET_FRAMES = 6, 4


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
  """What trackers are run on.

  Attributes:
    benchmark: What the sequences are of.
    root: Its folder.
    sequences: What trackers follow.
  """

  benchmark: Benchmark
  root: Path
  sequences: list[Sequence]

  @property
  def experiment(self) -> Experiment:
    """How trackers are run on it."""
    return experiments.of_benchmark(self.benchmark)

  @functools.cached_property
  def truths(self) -> Truths:
    """What the benchmark says of the sequences, by name.

    Raises:
      OSError: The annotations cannot be read.
      ValueError: They are malformed, or lack one of the sequences.
    """
    truths = annotations.read(self.benchmark, self.root)
    if missing := [s.name for s in self.sequences if s.name not in truths]:
      raise ValueError(
        f'{self.root}: no annotation of {", ".join(missing)}; restore it, or '
        'leave the sequence out with --sequences'
      )
    for sequence in self.sequences:
      frames = truths[sequence.name].frames
      if frames != len(sequence):
        raise ValueError(
          f'{self.root}: {sequence.name} has {len(sequence)} frames, and '
          f'{frames} are annotated; restore what is missing'
        )
    return truths

  def score(self, folders: Mapping[str, Path]) -> report.Report:
    """Scores results on these sequences, by tracker."""
    names = [sequence.name for sequence in self.sequences]
    return scoring.compare(
      self.benchmark, self.experiment, self.truths, folders, only=names
    )


def evaluate(trackers: Mapping[str, Follower], task: Task, out: Path) -> None:
  """Runs trackers over sequences, scores them, draws the first one's boxes.

  Where only a server has the annotations, an archive for it is written instead
  of scores.

  Args:
    trackers: What follows targets, by name.
    task: What they are run on.
    out: Gets the report, and a folder named like the benchmark with the report
      again, `tracked.png` and a folder of results for each tracker.
  """
  folders = [run(name, each, task, out) for name, each in trackers.items()]
  benchmark = task.benchmark
  own = out / benchmark.name
  if benchmark.hidden:
    for folder in folders:
      print(archives.write(folder, benchmark, own / f'{folder.name}.zip'))
  else:
    by_name = {folder.name: folder for folder in folders}
    scored = task.score(by_name)
    report.write(scored, own)
    report.show(scored)
    report.write(scored, out)
  picture(folders[0], task, own / 'tracked.png')


def run(name: str, follower: Follower, task: Task, out: Path) -> Path:
  """Runs one tracker over sequences; returns the folder of its results.

  Sequences that an earlier run of the same tracker has done are left out.

  Raises:
    ValueError: The results there are of another tracker, or a sequence cannot
      be tracked; the message names it.
  """
  benchmark, experiment, truths = task.benchmark, task.experiment, task.truths
  folder = out / benchmark.name / name
  owner.check(folder, follower.about)
  to_do = [
    s
    for s in task.sequences
    if not experiment.is_done(folder, s.name, truths[s.name], benchmark)
  ]
  lengths = {s.name: experiment.length(truths[s.name]) for s in task.sequences}
  total = sum(lengths.values())
  done = total - sum(lengths[s.name] for s in to_do)
  spent: list[np.ndarray] = []
  with Progress(name, total, 'frames', done) as shown:

    def on_frames(count):
      nonlocal done
      done += count
      # After a failure frames may be skipped.
      shown.update(min(done, total))

    jobs = [Job(s, experiment.protocol(s, truths[s.name])) for s in to_do]
    for each in scheduler.drive(follower, jobs, on_frames):
      sequence = to_do[each.index].name
      owner.mark(folder, follower.about)
      results.write_times(folder, sequence, benchmark, *each.times)
      # The runs are what the protocol returned.
      experiment.write(folder, sequence, each.runs, benchmark)
      spent.append(np.array([each.answers, *map(np.sum, each.times)]))
  if spent:
    summary = _summary(follower.programs, *np.sum(spent, axis=0))
    results.write_speed(folder, summary)
    print(f'{name}: {_told(summary)}')
  return folder


def _summary(
  programs: Programs, frames, seconds, seconds_with_decode
) -> dict[str, Any]:
  summary = {
    'frames': int(frames),
    'frames_per_second': frames / seconds,
    'frames_per_second_with_decode': frames / seconds_with_decode,
  }
  if len(programs):
    summary |= {
      'programs': len(programs),
      'compile_seconds': programs.seconds,
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


def picture(folder: Path, task: Task, path: Path) -> None:
  """Draws results (in colour) and truth (white) on frames of some sequences."""
  pictures, truths = [], task.truths
  for sequence in _evenly(task.sequences, SHEET_SEQUENCES):
    boxes = task.experiment.boxes(
      folder, sequence.name, truths[sequence.name], task.benchmark
    )
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
