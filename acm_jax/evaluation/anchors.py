"""VOT's protocol of 2020 and later: from each of many anchors, no restarts.

A tracker is started at every anchor of a sequence and follows it forward to the
end or backward to the start, whichever is longer. It has failed where it loses
the target and does not find it again soon; what comes after does not count.

Source: Kristan et al., 2020 (The eighth visual object tracking challenge); the
details are vot-toolkit's, found by feeding it runs.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.evaluation import regions
from acm_jax.evaluation.outcome import Outcome
from acm_jax.evaluation.reset import Sums, Truth, redrawn

# A target is lost at this overlap and below, and has failed if it stays so for
# as many frames.
_LOST, _GRACE = 0.1, 10


class Run(NamedTuple):
  """What came of one anchor.

  Attributes:
    anchor: The frame in which the tracker was given the target.
    step: 1 forward, -1 backward.
    region: What it found from there to the end, the first one included, whose
      content means nothing; empty where it found nothing.
  """

  anchor: int
  step: int
  region: tuple[np.ndarray, ...]


class Scores(NamedTuple):
  """Scores of one sequence or of all.

  Attributes:
    accuracy: Mean overlap before failures.
    robustness: Share of the frames before failures.
    eao: Expected average overlap, of all sequences alone; NaN where no run is
      long enough.
  """

  accuracy: float
  robustness: float
  eao: float = float('nan')

  def figures(self) -> dict[str, float]:
    """The numbers that reports print, by their names in scores.json."""
    return {name: float(value) for name, value in self._asdict().items()}


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
  runs: Mapping[str, Sequence[Run]],
  truths: Mapping[str, Truth],
  lengths: tuple[int, int],
) -> Outcome:
  """Scores of all sequences and of each.

  Accuracy over all is a mean weighted by the frames before failures, robustness
  one weighted by the lengths of the sequences.

  Args:
    runs: Of each sequence.
    truths: Of each sequence; a region that is empty or NaN is no target.
    lengths: The first and the last length of runs that EAO is the mean of.
  """
  sequences, progress, frames, sums = {}, [], [], []
  low, high = lengths
  for name, own in runs.items():
    one = [follow(run, truths[name]) for run in own]
    before = sum(each.progress for each in one)
    overlap = sum(each.overlap[: each.progress].sum() for each in one)
    sequences[name] = Scores(
      overlap / before, before / sum(len(each.overlap) for each in one)
    )
    progress.append(before)
    frames.append(truths[name].frames)
    sums.append(overlap_sums(one, high))
  redraw = redrawn(sums, slice(low, high))
  accuracy, robustness = (
    np.average([each[i] for each in sequences.values()], weights=weights)
    for i, weights in enumerate((progress, frames))
  )
  eao = redraw(np.ones((1, len(sums))))[0]
  total = Scores(float(accuracy), float(robustness), float(eao))
  return Outcome(total, sequences, redraw)


def follow(run: Run, truth: Truth) -> Followed:
  """Overlaps of a run, and where it fails.

  Frames without a target have an overlap of 0, but are no loss.
  """
  places = run.anchor + run.step * np.arange(len(run.region))
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
