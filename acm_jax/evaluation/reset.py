"""The reset protocol of VOT 2015 to 2019: accuracy, failures, EAO.

A tracker that has lost its target is started again five frames later. A run
is what came of it: for each frame a region, or what happened instead.

Sources: Kristan et al., TPAMI 2016 (arXiv:1503.01313); VOT2015 for the
expected average overlap (EAO). The toolkits differ, so that each has a
function.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from acm_jax.evaluation import regions
from acm_jax.evaluation.outcome import Outcome

# Codes of result files; any other row is a region.
SKIPPED, INITIALISED, FAILED = 0, 1, 2
TRACKED = -1
# Frames between a failure and the next start.
SKIP = 5
# Frames from a start on that accuracy leaves out.
BURN_IN = 10
# Of vot-toolkit's robustness: frames after which it asks for being on target.
_SENSITIVITY = 30


class Run(NamedTuple):
  """One run over a sequence.

  Attributes:
    event: TRACKED or what else happened in each frame.
    region: The region in each frame; empty where it was not tracked.
  """

  event: Int[np.ndarray, 'n']
  region: tuple[np.ndarray, ...]


class Truth(NamedTuple):
  """What a benchmark says of one sequence.

  Attributes:
    region: The true region in each frame.
    size: Width and height of the images, px, if known; where not, regions are
      not cut at the right and at the bottom.
    attributes: What makes it hard, in the benchmark's words, if that is said.
    anchors: Frames that trackers are started at and the step from there, 1
      forward and -1 backward; empty where the benchmark has none.
  """

  region: tuple[np.ndarray, ...]
  size: tuple[int, int] | None
  attributes: tuple[str, ...] = ()
  anchors: Mapping[int, int] = MappingProxyType({})

  @property
  def frames(self) -> int:
    """How many there are."""
    return len(self.region)

  @property
  def there(self) -> Bool[np.ndarray, 'n']:
    """Frames with a target."""
    return np.array(
      [len(r) > 1 and bool(np.isfinite(r).all()) for r in self.region]
    )

  @property
  def bounds(self) -> tuple[int, int]:
    """The size, or one that no region reaches."""
    return self.size or (1 << 20, 1 << 20)


class Scores(NamedTuple):
  """Scores of one sequence or of all; NaN where undefined.

  Attributes:
    accuracy: Mean overlap.
    robustness: In pysot's form failures by a hundred frames; in vot-toolkit's
      the expected share of 30 frames that are tracked without a failure.
    failures: A count, mean of the runs; over many sequences their sum in
      pysot's form, their mean weighted by length in vot-toolkit's.
    eao: Expected average overlap, of all sequences alone.
  """

  accuracy: float
  robustness: float
  failures: float
  eao: float = float('nan')

  def figures(self) -> dict[str, float]:
    """The numbers that reports print, by their names in scores.json."""
    return {name: float(value) for name, value in self._asdict().items()}


Runs = Mapping[str, Sequence[Run]]
Truths = Mapping[str, Truth]


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
  rated, sequences, sums = [], {}, []
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
    sequences[name] = Scores(
      _mean(rated[-1]), 100 * failures / len(truth.region), failures
    )
    sums.append(overlap_sums(fragments, high))
  failures = sum(scores.failures for scores in sequences.values())
  frames = sum(len(truths[name].region) for name in runs)
  redraw = redrawn(sums, slice(low - 1, high))
  total = Scores(
    _mean(np.concatenate(rated)),
    100 * failures / frames,
    failures,
    float(redraw(np.ones((1, len(sums))))[0]),
  )
  return Outcome(total, sequences, redraw)


def vot_toolkit(
  runs: Runs, truths: Truths, lengths: tuple[int, int]
) -> Outcome:
  """Scores as vot-toolkit has them.

  Accuracy and failures are means over the sequences, weighted by length. A
  fragment of EAO goes from a start to the frame before the failure.

  Args:
    runs: Of each sequence.
    truths: Of each sequence.
    lengths: The first and the last length of runs that EAO is the mean of.
  """
  sequences, sums, weights = {}, [], []
  low, high = lengths
  for name, own in runs.items():
    truth = truths[name]
    accuracies, fragments = [], []
    for run in own:
      overlap = _vot_toolkit_overlaps(run, truth)
      accuracies.append(np.nan_to_num(_mean(_after_burn_in(run, overlap))))
      fragments += _vot_toolkit_fragments(run, np.nan_to_num(overlap))
    failures, frames = _mean_failures(own), len(truth.region)
    robustness = np.exp(-_SENSITIVITY * failures / frames)
    sequences[name] = Scores(np.mean(accuracies), robustness, failures)
    weights.append(frames)
    sums.append(overlap_sums(fragments, high + 1))
  accuracy, failures = (
    np.average([getattr(s, field) for s in sequences.values()], weights=weights)
    for field in ('accuracy', 'failures')
  )
  # Of the means, not the mean of the sequences' own.
  robustness = np.exp(-_SENSITIVITY * failures / np.mean(weights))
  redraw = redrawn(sums, slice(low, high + 1))
  eao = float(redraw(np.ones((1, len(sums))))[0])
  total = Scores(accuracy, robustness, failures, eao)
  return Outcome(total, sequences, redraw)


class Fragment(NamedTuple):
  """A piece of a run that EAO is made of.

  Attributes:
    overlap: Of each of its frames.
    failed: Whether a failure ended it, so that nothing is tracked after it.
  """

  overlap: Float[np.ndarray, 'n']
  failed: bool


class Sums(NamedTuple):
  """What the expected overlap of runs of each length is the quotient of.

  Attributes:
    overlap: Summed over the runs that count; entry i is of i frames behind the
      first.
    count: How many there are.
  """

  overlap: Float[np.ndarray, 'n']
  count: Num[np.ndarray, 'n']


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


def redrawn(
  sums: Sequence[Sums], kept: slice
) -> Callable[[Num[np.ndarray, 'd s']], Float[np.ndarray, 'd']]:
  """Gives EAO, the mean expected overlap of the lengths that are kept.

  Args:
    sums: Of each sequence.
    kept: Of their entries; those that no run reaches are left out.

  Returns:
    A function of how often each sequence counts, a row a draw.
  """
  overlap, count = (
    np.stack([each[i][kept] for each in sums]) for i in range(2)
  )

  def redraw(drawn):
    sums, counts = drawn @ overlap, drawn @ count
    reached = counts > 0
    curve = np.where(reached, sums / np.where(reached, counts, 1), 0.0)
    known = reached.sum(axis=1)
    mean = curve.sum(axis=1) / np.maximum(known, 1)
    return np.where(known > 0, mean, np.nan)

  return redraw


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
      for event, found, true in zip(*run, truth.region, strict=True)
    ]
  ).T


def _vot_toolkit_overlaps(run, truth):
  """Overlap in each frame; NaN where it was not tracked."""
  return np.array(
    [
      regions.vot_toolkit_overlap(found, true, truth.bounds)
      if event == TRACKED
      else np.nan
      for event, found, true in zip(*run, truth.region, strict=True)
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
