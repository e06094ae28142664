"""Scores of sequences and of trackers, which all experiments return."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
  """Scores of one sequence or of several; NaN where undefined.

  Attributes:
    figures: Numbers that reports print, by their names in scores.json.
    curves: Fraction of frames at each threshold, by the name of the curve.
    rated: Number of frames that the figures average over; 0 if the figures are
      not means over frames.
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
  """Returns the mean over sequences, each with the same weight.

  A sequence in which a figure is NaN is left out of the mean of that figure.
  """
  return _weighted(scores, np.ones(len(scores)))


def pooled(scores: Sequence[Scores]) -> Scores:
  """Returns the mean over all rated frames of all sequences."""
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
    redraw: Function that recomputes the ranking figure for resampled sequences,
      from which confidence intervals are computed. Its argument, counts
      [draws, sequences], has the number of times that each sequence is drawn.
    short: Number of rows, by sequence, of results that end before the
      annotation.
    long: Number of rows, by sequence, of results that continue past the
      annotation; the additional rows are not scored.
  """

  total: Scores
  sequences: Mapping[str, Scores]
  redraw: Callable[[Num[np.ndarray, 'd s']], Float[np.ndarray, 'd']]
  short: Mapping[str, int] = MappingProxyType({})
  long: Mapping[str, int] = MappingProxyType({})
