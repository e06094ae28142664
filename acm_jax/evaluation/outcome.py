"""Types for the scores of a sequence and of a tracker, in any experiment."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
  """Scores of one sequence, or of several together; undefined scores are NaN.

  Attributes:
    figures: Scores that are single numbers. Keys are the names in scores.json.
    curves: Scores that are curves. Keys are the names of the curves. A curve
      has the fraction of frames at each threshold.
    rated: Number of rated frames, over which the average overlap and the
      success rates are averaged; 0 in experiments without these figures.
      `pooled` weights sequences by this number.
  """

  figures: Mapping[str, float]
  curves: Mapping[str, Float[np.ndarray, '_']] = dataclasses.field(
    default_factory=dict
  )
  rated: int = 0

  def __getitem__(self, name: str) -> float:
    """Returns the figure of this name."""
    return self.figures[name]


def mean(scores: Sequence[Scores]) -> Scores:
  """Returns the mean over sequences; all sequences have the same weight.

  A sequence in which a figure is NaN is left out of the mean of that figure.
  """
  return _weighted(scores, np.ones(len(scores)))


def pooled(scores: Sequence[Scores]) -> Scores:
  """Returns the mean over sequences, weighted by `Scores.rated`."""
  return _weighted(scores, np.array([score.rated for score in scores]))


def _weighted(scores, weights):
  def average(values):
    stack = np.stack(values)
    kept = ~np.isnan(stack.reshape(len(stack), -1)).any(axis=1)
    kept &= weights > 0
    if not kept.any():
      return np.full(stack.shape[1:], np.nan)[()]
    return np.average(stack[kept], axis=0, weights=weights[kept])

  first, *_ = scores
  return Scores(
    {
      name: float(average([each[name] for each in scores]))
      for name in first.figures
    },
    {
      name: average([each.curves[name] for each in scores])
      for name in first.curves
    },
    sum(each.rated for each in scores),
  )


class Outcome(NamedTuple):
  """Scores of one tracker.

  Attributes:
    total: Scores over all sequences.
    sequences: Scores of each sequence.
    redraw: Function for confidence intervals and for scores on an attribute.
      From counts [draws, sequences], the function computes the figure that
      ranks trackers, once per draw. A draw is one resampling (`tables.draws`)
      or selection of the sequences; its counts say how often each sequence was
      drawn.
    short: Sequences whose result has fewer rows than the annotation, with the
      number of rows of the result. The missing rows count as misses.
    long: Sequences whose result has more rows than the annotation, with the
      number of rows of the result. The additional rows are not scored.
  """

  total: Scores
  sequences: Mapping[str, Scores]
  redraw: Callable[[Num[np.ndarray, 'd s']], Float[np.ndarray, 'd']]
  short: Mapping[str, int] = MappingProxyType({})
  long: Mapping[str, int] = MappingProxyType({})
