"""The reset protocol of VOT 2015 to 2019: accuracy, failures, EAO.

A tracker that has lost its target is started again five frames later. Result
files are `<tracker>/baseline/<sequence>/<sequence>_001.txt`, a row a frame.

Sources: Kristan et al., TPAMI 2016 (arXiv:1503.01313). The toolkits differ, so
that each has a function.
"""

import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.evaluation import regions
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.expected_overlap import (
  ACCURACY_ROBUSTNESS,
  Sums,
  redrawn,
)
from acm_jax.evaluation.experiment import (
  Analysis,
  Experiment,
  Runs,
  Truths,
)
from acm_jax.evaluation.outcome import Outcome, Scores
from acm_jax.evaluation.protocol import Next, Protocol, Start
from acm_jax.evaluation.runs import (
  FAILED,
  INITIALISED,
  SKIPPED,
  TRACKED,
  Run,
  names_anchors,
  read_run,
  write_run,
)
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.truth import Truth

# Frames between a failure and the next start.
SKIP = 5
# Frames from a start on that accuracy leaves out.
BURN_IN = 10
# Of vot-toolkit's robustness: frames after which it asks for being on target.
_SENSITIVITY = 30

_FIGURES = {
  'accuracy': Figure('A'),
  'robustness': Figure('R', better=''),
  'failures': Figure('failures', better='lower'),
  'eao': Figure('EAO'),
}


class Reset(Experiment):
  """A start again behind each failure."""

  title = 'the reset protocol'
  place = 'baseline'
  plots = (ACCURACY_ROBUSTNESS,)

  def recognises(self, folder: Path) -> bool:
    """Whether there is `baseline/` without files that name anchors."""
    place = folder / self.place
    return place.is_dir() and not names_anchors(place)

  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Starts again five frames behind a box with nothing of the target."""
    length = truth.frames
    event, region = np.full(length, SKIPPED), [np.zeros(0)] * length
    start = 0
    while start < length:
      yield Start(start, first_box(truth.region_at(start)))
      event[start] = INITIALISED
      frames, start = range(start + 1, length), length
      for frame in frames:
        box = np.asarray((yield Next()).box_xywh, float)
        true = truth.region_at(frame)
        if regions.pysot_overlap(box, true, truth.bounds) <= 0:
          event[frame], start = FAILED, frame + SKIP
          break
        event[frame], region[frame] = TRACKED, box
    return [Run(tuple(region), event)]

  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """One file of a row a frame."""
    return {folder / self.place / name / f'{name}_001.txt': truth.frames}

  def read(
    self, path: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Run:
    """Reads regions and what else happened, from start to end."""
    codes = SKIPPED, INITIALISED, FAILED
    return read_run(path, codes, truth.frames)

  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes the only run."""
    (run,) = runs
    write_run(folder / self.place / name / f'{name}_001.txt', run)

  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """That of pysot or of vot-toolkit."""
    known = {'pysot': pysot, 'vot_toolkit': vot_toolkit}
    score = functools.partial(
      self.chosen(known, name), lengths=benchmark.lengths
    )
    return Analysis(score, _FIGURES, 'eao', needs_sizes=True)


def first_box(region: Float[np.ndarray, '_']) -> Float[np.ndarray, '4']:
  """The box that a tracker is started from, x, y, w, h.

  Of a polygon, the axis-parallel one round it, shrunk about the mean of the
  corners to the polygon's area, a pixel wider and higher.

  Source: the released code of pysot.
  """
  if len(region) == 4:
    return region
  corners = region.reshape(-1, 2)
  center = corners.mean(axis=0)
  sides = np.ptp(corners, axis=0)
  edges = np.linalg.norm(corners[:3][1:] - corners[:2], axis=1)
  size = sides * np.sqrt(edges.prod() / sides.prod()) + 1
  return np.concatenate([center - (size - 1) / 2, size])


def _scores(accuracy, robustness, failures, eao=float('nan')) -> Scores:
  """Scores of one sequence or of all.

  Args:
    accuracy: Mean overlap.
    robustness: In pysot's form failures by a hundred frames; in vot-toolkit's
      the expected share of 30 frames that are tracked without a failure.
    failures: A count, mean of the runs; over many sequences their sum in
      pysot's form, their mean weighted by length in vot-toolkit's.
    eao: Expected average overlap, of all sequences alone.
  """
  values = map(float, (accuracy, robustness, failures, eao))
  return Scores(dict(zip(_FIGURES, values, strict=True)))


def pysot(runs: Runs, truths: Truths, lengths: tuple[int, int]) -> Outcome:
  """Scores as pysot's analysis has them.

  Accuracy is the mean over the frames of all sequences. A fragment of EAO
  starts 5 frames behind a failure and ends where the next one starts; what
  was not tracked in it has no overlap.

  Args:
    runs: Of each sequence.
    truths: Of each sequence.
    lengths: The first and the last length of runs that EAO is the mean of.
  """
  rated, scores, sums = [], {}, []
  low, high = lengths
  for name, own in runs.items():
    truth = truths[name]
    bounds = truth.bounds
    inner = bounds[0] - 1, bounds[1] - 1
    overlaps, fragments = [], []
    for run in own:
      # EAO is counted in an image that is a pixel smaller.
      whole, smaller = _pysot_overlaps(run, truth, (bounds, inner))
      overlaps.append(_after_burn_in(run, whole))
      fragments += _pysot_fragments(run, np.nan_to_num(smaller))
    failures = _mean_failures(own)
    rated.append(np.concatenate(overlaps))
    scores[name] = _scores(
      _mean(rated[-1]), 100 * failures / truth.frames, failures
    )
    sums.append(overlap_sums(fragments, high))
  failures = sum(each['failures'] for each in scores.values())
  frames = sum(truths[name].frames for name in runs)
  redraw = redrawn(sums, slice(low - 1, high))
  total = _scores(
    _mean(np.concatenate(rated)),
    100 * failures / frames,
    failures,
    redraw(np.ones((1, len(sums))))[0],
  )
  return Outcome(total, scores, redraw)


def vot_toolkit(
  runs: Runs, truths: Truths, lengths: tuple[int, int]
) -> Outcome:
  """Scores as vot-toolkit has them.

  Accuracy and failures are means over the sequences, weighted by length. A
  fragment of EAO goes from a start to the frame before the failure; no length
  behind the longest fragment counts.

  Args:
    runs: Of each sequence.
    truths: Of each sequence.
    lengths: The first and the last length of runs that EAO is the mean of.
  """
  scores, sums, weights, longest = {}, [], [], []
  low, high = lengths
  for name, own in runs.items():
    truth = truths[name]
    accuracies, fragments = [], []
    for run in own:
      overlap = _vot_toolkit_overlaps(run, truth)
      accuracies.append(np.nan_to_num(_mean(_after_burn_in(run, overlap))))
      fragments += _vot_toolkit_fragments(run, np.nan_to_num(overlap))
    failures, frames = _mean_failures(own), truth.frames
    robustness = np.exp(-_SENSITIVITY * failures / frames)
    scores[name] = _scores(np.mean(accuracies), robustness, failures)
    weights.append(frames)
    sums.append(overlap_sums(fragments, high + 1))
    longest.append(max(len(fragment.overlap) for fragment in fragments))
  accuracy, failures = (
    np.average([each[field] for each in scores.values()], weights=weights)
    for field in ('accuracy', 'failures')
  )
  # Of the means, not the mean of the sequences' own.
  robustness = np.exp(-_SENSITIVITY * failures / np.mean(weights))

  def redraw(drawn):
    found = np.empty(len(drawn))
    ends = np.where(drawn > 0, longest, 0).max(axis=1)
    for end in np.unique(ends):
      kept = slice(low, min(high + 1, end))
      found[ends == end] = redrawn(sums, kept)(drawn[ends == end])
    return found

  eao = redraw(np.ones((1, len(sums))))[0]
  total = _scores(accuracy, robustness, failures, eao)
  return Outcome(total, scores, redraw)


class Fragment(NamedTuple):
  """A piece of a run that EAO is made of.

  Attributes:
    overlap: Of each of its frames.
    failed: Whether a failure ended it, so that nothing is tracked after it.
  """

  overlap: Float[np.ndarray, 'n']
  failed: bool


def overlap_sums(fragments: Sequence[Fragment], length: int) -> Sums:
  """Of the fragments of a sequence, for runs of 0 to `length` - 1 frames.

  Entry i is of the fragments that reach frame i, or failed before, and of their
  mean overlap in frames 1 to i. The first frame, in which the tracker was given
  the target, is left out.
  """
  reach = np.array([len(f.overlap) for f in fragments])
  reach[[f.failed for f in fragments]] = length
  overlap = np.zeros((len(fragments), length))
  for row, fragment in zip(overlap, fragments, strict=True):
    known = fragment.overlap[:length]
    row[1 : len(known)] = known[1:]
  frames = np.arange(length)
  reached = frames < reach[:, None]
  sums = np.where(reached, np.cumsum(overlap, axis=1), 0.0).sum(axis=0)
  return Sums(sums / np.maximum(frames, 1), reached.sum(axis=0))


def _pysot_fragments(run, overlap):
  starts = np.flatnonzero(run.event == FAILED) + SKIP
  starts = [0, *starts[starts < len(overlap)]]
  return [
    *(
      Fragment(overlap[start:end], failed=True)
      for start, end in itertools.pairwise(starts)
    ),
    # Also if it fails so late that nothing starts again.
    Fragment(overlap[starts[-1] :], failed=False),
  ]


def _vot_toolkit_fragments(run, overlap):
  failures = np.flatnonzero(run.event == FAILED)
  for start in np.flatnonzero(run.event == INITIALISED):
    later = failures[failures > start]
    end = later[0] if len(later) else len(overlap)
    yield Fragment(overlap[start:end], failed=len(later) > 0)


def _pysot_overlaps(run, truth, bounds):
  """Overlap in each frame, in images of two sizes; NaN where not tracked."""
  return np.array(
    [
      regions.pysot_overlaps(found, true, bounds)
      if event == TRACKED
      else [np.nan] * len(bounds)
      for event, found, true in zip(
        run.event, run.region, truth.region, strict=True
      )
    ]
  ).T


def _vot_toolkit_overlaps(run, truth):
  """Overlap in each frame; NaN where it was not tracked."""
  return np.array(
    [
      regions.vot_toolkit_overlap(found, true, truth.bounds)
      if event == TRACKED
      else np.nan
      for event, found, true in zip(
        run.event, run.region, truth.region, strict=True
      )
    ]
  )


def _after_burn_in(run, overlap):
  rated = overlap.copy()
  for start in np.flatnonzero(run.event == INITIALISED):
    rated[start : start + BURN_IN] = np.nan
  return rated


def _mean_failures(runs):
  return float(np.mean([(run.event == FAILED).sum() for run in runs]))


def _mean(values):
  values = values[~np.isnan(values)]
  return float(values.mean()) if len(values) else float('nan')
