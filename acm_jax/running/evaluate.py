"""Runs trackers on the sequences of a benchmark and scores the results."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from acm_jax.datasets.sequences import Sequence
from acm_jax.evaluation import (
  annotations,
  archives,
  experiments,
  failures,
  owner,
  presence,
  report,
  results,
  scoring,
)
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import Experiment, Truths
from acm_jax.host.extras import extra
from acm_jax.host.progress import Progress
from acm_jax.running import drawing, scheduler
from acm_jax.running.scheduler import Follower, Job
from acm_jax.tracking.programs import Programs

SHEET_SEQUENCES, SHEET_FRAMES = 6, 4


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
  """Task of running trackers on sequences of a benchmark.

  Attributes:
    benchmark: Benchmark that the sequences belong to.
    root: Root folder of the benchmark.
    sequences: Sequences to track.
  """

  benchmark: Benchmark
  root: Path
  sequences: list[Sequence]

  @property
  def experiment(self) -> Experiment:
    """Experiment that defines how trackers are run on the benchmark."""
    return experiments.of_benchmark(self.benchmark)

  @functools.cached_property
  def truths(self) -> Truths:
    """Ground truth of all sequences in the root folder; keys are their names.

    Raises:
      OSError: The annotations cannot be read.
      ValueError: The annotations are malformed, or do not match the sequences.
    """
    truths = annotations.read(self.benchmark, self.root)
    if missing := [s.name for s in self.sequences if s.name not in truths]:
      raise ValueError(
        f'{self.root}: no annotations for {", ".join(missing)}; add the '
        'missing annotations, or choose other `sequences`'
      )
    for sequence in self.sequences:
      frames = truths[sequence.name].frames
      if frames != len(sequence):
        raise ValueError(
          f'{self.root}: {sequence.name} has {len(sequence)} images but '
          f'annotations for {frames} frames; replace the sequence with an '
          'intact copy'
        )
    return truths

  def score(self, folders: Mapping[str, Path]) -> report.Report:
    """Scores trackers on the sequences of the task; returns a report.

    Args:
      folders: Folder of each tracker's results; keys are names of trackers.
    """
    names = [sequence.name for sequence in self.sequences]
    return scoring.compare(
      self.benchmark, self.experiment, self.truths, folders, only=names
    )


def evaluate(trackers: Mapping[str, Follower], task: Task, out: Path) -> None:
  """Runs trackers, scores them, and draws the first tracker's boxes.

  If only the benchmark's server has the annotations, no scores are computed.
  Instead, the results of each tracker are written as a zip file for the server.

  Args:
    trackers: Trackers to run; keys are names.
    task: Sequences to run the trackers on.
    out: Output folder for the report. Its subfolder `<benchmark>` receives the
      zip files, the drawing `tracked.png`, a folder of results for each
      tracker, and a copy of the report.
  """
  folders = [run(name, each, task, out) for name, each in trackers.items()]
  benchmark = task.benchmark
  benchmark_out = out / benchmark.name
  if benchmark.hidden:
    for folder in folders:
      archive = benchmark_out / f'{folder.name}.zip'
      print(archives.write(folder, benchmark, archive))
      for line in failures.remarks(folder.name, failures.read(folder)):
        print(line)
  else:
    by_name = {folder.name: folder for folder in folders}
    scored = task.score(by_name)
    report.write(scored, benchmark_out)
    report.show(scored)
    report.write(scored, out)
  sheet = benchmark_out / 'tracked.png'
  with extra(sheet):
    draw_sheet(folders[0], task, sheet)


def calibrate(name: str, task: Task, out: Path) -> presence.Calibration:
  """Finds the `lost_score` with the best presence F1 on a task.

  Args:
    name: Name of a tracker that `evaluate` has run on the task.
    task: Sequences, some of which have frames in which the target is absent.
    out: Output folder of `evaluate`.

  Raises:
    ValueError: No sequence has a frame in which the target is absent.
  """
  experiment, benchmark = task.experiment, task.benchmark
  folder = out / benchmark.name / name
  truths = {each.name: task.truths[each.name] for each in task.sequences}
  runs = {}
  for sequence, truth in truths.items():
    path = next(iter(experiment.files(folder, sequence, truth, benchmark)))
    runs[sequence] = experiment.read(path, sequence, truth, benchmark)
  return presence.calibrate(runs, truths)


def run(name: str, follower: Follower, task: Task, out: Path) -> Path:
  """Runs one tracker on a task; returns the folder of the results.

  Sequences that already have complete results of this tracker are skipped.

  Raises:
    ValueError: The folder holds results of another tracker, or a sequence
      cannot be tracked.
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
  timings: list[_Timing] = []
  clock = follower.programs.clock
  with Progress(name, total, 'frames', done, clock) as shown:

    def on_frames(count):
      nonlocal done
      done += count
      # `total` is an estimate: frames may be skipped after a failure.
      shown.update(min(done, total))

    jobs = [Job(s, experiment.protocol(s, truths[s.name])) for s in to_do]
    for each in scheduler.drive(follower, jobs, on_frames):
      sequence = to_do[each.index].name
      owner.mark(folder, follower.about)
      seconds, seconds_with_decode = each.times
      results.write_times(
        folder, sequence, benchmark, seconds, seconds_with_decode
      )
      failures.record(folder, sequence, follower.take_failures())
      # Write runs last, because a sequence with runs counts as done.
      experiment.write(folder, sequence, each.runs, benchmark)
      timings.append(
        _Timing(each.answers, seconds.sum(), seconds_with_decode.sum())
      )
  if timings:
    summary = _summary(follower.programs, timings)
    results.write_speed(folder, summary)
    print(f'{name}: {_describe(summary)}')
  return folder


class _Timing(NamedTuple):
  """Number of frames tracked in a sequence, and the seconds spent on them."""

  frames: int
  seconds: float
  seconds_with_decode: float


def _summary(programs: Programs, timings: list[_Timing]) -> dict[str, Any]:
  frames = sum(each.frames for each in timings)
  seconds = sum(each.seconds for each in timings)
  seconds_with_decode = sum(each.seconds_with_decode for each in timings)
  summary = {
    'frames': frames,
    'frames_per_second': frames / seconds,
    'frames_per_second_with_decode': frames / seconds_with_decode,
  }
  if len(programs):
    summary |= {
      'programs': len(programs),
      'compile_seconds': programs.seconds,
    }
  return summary


def _describe(summary: Mapping[str, Any]) -> str:
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


def draw_sheet(folder: Path, task: Task, path: Path) -> None:
  """Draws tracked (coloured) and annotated (white) boxes on sample frames.

  Args:
    folder: Folder of a tracker's results.
    task: Task with the sequences to sample frames from.
    path: PNG file to write.
  """
  pictures, truths = [], task.truths
  for sequence in _evenly(task.sequences, SHEET_SEQUENCES):
    boxes = task.experiment.boxes(
      folder, sequence.name, truths[sequence.name], task.benchmark
    )
    for index in _evenly(range(len(sequence)), SHEET_FRAMES):
      frame = sequence.frame(index).copy()
      drawing.draw_box(frame, sequence.box_xywh[index], drawing.TRUTH)
      label = f'{sequence.name} {index}'
      drawing.draw_box(frame, boxes[index], drawing.COLORS[0], label)
      pictures.append(frame)
  drawing.write_sheet(pictures, path)


def _evenly(items, count):
  """Returns up to `count` evenly spaced items."""
  indices = np.linspace(0, len(items) - 1, min(count, len(items)))
  return [items[i] for i in indices.round().astype(int)]
