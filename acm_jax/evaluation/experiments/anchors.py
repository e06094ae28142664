"""VOT's protocol of 2020 and later: from each of many anchors, no restarts.

A tracker is started at every anchor of a sequence and follows it forward to the
end or backward to the start, whichever is longer. It has failed where it loses
the target and does not find it again soon; what comes after does not count.
Result files are `<tracker>/baseline/<sequence>/<sequence>_<anchor>.txt`.

Source: Kristan et al., 2020 (The eighth visual object tracking challenge); the
details are vot-toolkit's, found by feeding it runs.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.datasets.layouts.vot import region_box
from acm_jax.evaluation import regions
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.expected_overlap import ACCURACY_ROBUSTNESS, Sums
from acm_jax.evaluation.experiment import (
  Analysis,
  Experiment,
  Files,
  Runs,
  Truths,
)
from acm_jax.evaluation.outcome import Outcome, Scores
from acm_jax.evaluation.protocol import Next, Protocol, Start
from acm_jax.evaluation.runs import (
  INITIALISED,
  SKIPPED,
  Run,
  names_anchors,
  read_run,
  unbroken,
  write_run,
)
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.truth import Truth

# A target is lost at this overlap and below, and has failed if it stays so for
# as many frames.
_LOST, _GRACE = 0.1, 10


_FIGURES = {
  'accuracy': Figure('A'),
  'robustness': Figure('R'),
  'eao': Figure('EAO'),
}


class Anchors(Experiment):
  """A run from each anchor."""

  title = 'the protocol of anchors'
  place = 'baseline'
  plots = (ACCURACY_ROBUSTNESS,)
  repeats = False

  def length(self, truth: Truth) -> int:
    """Frames of all runs."""
    return sum(_length(*each, truth) for each in truth.anchors.items())

  def recognises(self, folder: Path) -> bool:
    """Whether there is `baseline/` with files that name anchors."""
    return names_anchors(folder / self.place)

  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Follows the target from each anchor, forward or backward."""
    runs, found = [], _anchors(sequence.name, truth)
    # All of them, before the first is followed.
    for anchor in found:
      box = region_box(truth.region[anchor])
      if not (np.isfinite(box).all() and (box[2:] > 0).all()):
        raise ValueError(f'row {anchor + 1}: an anchor; the box needs an area')
    for anchor, step in found.items():
      yield Start(anchor, region_box(truth.region_at(anchor)), step)
      boxes = [np.zeros(0)]
      for _ in range(_length(anchor, step, truth) - 1):
        boxes.append((yield Next()).box_xywh)
      runs.append(unbroken(boxes, start=anchor, step=step))
    return runs

  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """A file for each anchor, whose frame is in its name."""
    return {
      folder / self.place / name / f'{name}_{anchor:08d}.txt': _length(
        anchor, step, truth
      )
      for anchor, step in _anchors(name, truth).items()
    }

  def read(
    self, path: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Run:
    """Reads 1, then a region a frame, or 0 where there is none."""
    digits = re.search(r'_(\d{8})$', path.stem)
    anchor, known = int(digits[1]) if digits else None, _anchors(name, truth)
    if anchor not in known:
      listed = ', '.join(f'_{frame:08d}' for frame in known)
      raise ValueError(
        f'{path}: its name must end in the frame of an anchor of the sequence: '
        f'{listed}'
      )
    step = known[anchor]
    run = read_run(
      path,
      (SKIPPED, INITIALISED),
      _length(anchor, step, truth),
      f'frames from {anchor} {"on" if step > 0 else "backward"}',
    )
    return run._replace(start=anchor, step=step)

  def read_all(
    self, files: Files, truths: Truths, benchmark: Benchmark
  ) -> dict[str, list[Run]]:
    """Reads all files of a tracker; of each anchor there must be one."""
    found = super().read_all(files, truths, benchmark)
    for name, own in found.items():
      known = _anchors(name, truths[name])
      if lost := sorted(known.keys() - {run.start for run in own}):
        file = files[name][0].with_name(f'{name}_{lost[0]:08d}.txt')
        raise FileNotFoundError(
          f'{file}: no such file; {len(own)} of the {len(known)} anchors of '
          f'{name} have results'
        )
    return found

  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes a file for each run."""
    for run in runs:
      file = f'{name}_{run.start:08d}.txt'
      write_run(folder / self.place / name / file, run)

  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """That of vot-toolkit."""
    analyse = self.chosen({'vot_toolkit': vot_toolkit}, name)
    score = functools.partial(analyse, lengths=benchmark.lengths)
    return Analysis(score, _FIGURES, 'eao', needs_sizes=True)


def _anchors(name: str, truth: Truth) -> Mapping[int, int]:
  if not truth.anchors:
    raise ValueError(
      f'{name}: no anchor of it is known; take the official root, with '
      '<sequence>/anchor.value'
    )
  return truth.anchors


def _length(anchor: int, step: int, truth: Truth) -> int:
  """Frames from an anchor on, itself included."""
  return truth.frames - anchor if step > 0 else anchor + 1


def _scores(accuracy, robustness, eao=float('nan')) -> Scores:
  """Scores of one sequence or of all.

  Args:
    accuracy: Mean overlap before failures.
    robustness: Share of the frames before failures.
    eao: Expected average overlap, of all sequences alone.
  """
  values = map(float, (accuracy, robustness, eao))
  return Scores(dict(zip(_FIGURES, values, strict=True)))


class Followed(NamedTuple):
  """A run in numbers.

  Attributes:
    overlap: In each frame, 0 in the first.
    progress: How many frames were followed before the failure.
  """

  overlap: Float[np.ndarray, 'n']
  progress: int

  @property
  def failed(self) -> bool:
    """Whether the target was lost before the end."""
    return self.progress < len(self.overlap)


def vot_toolkit(
  runs: Runs,
  truths: Truths,
  lengths: tuple[int, int],
) -> Outcome:
  """Scores of all sequences and of each.

  Accuracy over all is a mean weighted by the frames before failures, robustness
  one weighted by the lengths of the sequences. In EAO lengths that no run
  reaches count as 0.

  Args:
    runs: Of each sequence.
    truths: Of each sequence; a region that is empty or NaN is no target.
    lengths: The first and the last length of runs that EAO is the mean of.
  """
  scores, progress, frames, sums = {}, [], [], []
  low, high = lengths
  for name, own in runs.items():
    one = [overlaps_of(run, truths[name]) for run in own]
    before = sum(each.progress for each in one)
    overlap = sum(each.overlap[: each.progress].sum() for each in one)
    scores[name] = _scores(
      overlap / before, before / sum(len(each.overlap) for each in one)
    )
    progress.append(before)
    frames.append(truths[name].frames)
    sums.append(overlap_sums(one, high))
  summed, count = (
    np.stack(each)[:, low:high] for each in zip(*sums, strict=True)
  )

  def redraw(drawn):
    return (drawn @ summed / np.maximum(drawn @ count, 1)).mean(axis=1)

  accuracy, robustness = (
    np.average([each[field] for each in scores.values()], weights=weights)
    for field, weights in (('accuracy', progress), ('robustness', frames))
  )
  eao = redraw(np.ones((1, len(sums))))[0]
  return Outcome(_scores(accuracy, robustness, eao), scores, redraw)


def overlaps_of(run: Run, truth: Truth) -> Followed:
  """Overlaps of a run, and where it fails.

  Frames without a target have an overlap of 0, but are no loss.
  """
  places = run.start + run.step * np.arange(len(run.region))
  overlap, there = np.zeros(len(places)), truth.there[places]
  lost = 0
  progress = len(places)
  for frame, place in enumerate(places):
    if frame and there[frame] and len(run.region[frame]):
      overlap[frame] = regions.vot_toolkit_overlap(
        run.region[frame], truth.region[place], truth.bounds
      )
    is_lost = frame > 0 and there[frame] and overlap[frame] <= _LOST
    lost = lost + 1 if is_lost else 0
    if lost == _GRACE and progress == len(places):
      progress = frame + 1 - _GRACE
  return Followed(overlap, progress)


def overlap_sums(followed: Sequence[Followed], length: int) -> Sums:
  """Of the runs of a sequence, for lengths of 0 to `length` - 1 frames.

  Entry i is of the runs that reach frame i, or failed, and of their mean
  overlap in frames 1 to i. Behind a failure there is no overlap. Where even the
  sequence has ended the toolkit divides by a frame less, and so does this.
  """
  overlap = np.zeros((len(followed), length))
  for row, run in zip(overlap, followed, strict=True):
    kept = min(run.progress, length)
    row[:kept] = run.overlap[:kept]
  frames = np.arange(length)
  ends = np.array([len(run.overlap) for run in followed])[:, None]
  known = (frames < ends) | np.array([run.failed for run in followed])[:, None]
  divisor = np.maximum(frames - (frames >= ends), 1)
  means = np.where(known, np.cumsum(overlap, axis=1) / divisor, 0.0)
  return Sums(means.sum(axis=0), known.sum(axis=0))
