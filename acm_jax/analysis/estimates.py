"""Means over pairs, with confidence intervals from resampled sequences.

Pairs of the same sequence resemble each other. An interval that treats them as
independent would be too narrow; therefore, whole sequences are resampled.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from acm_jax.evaluation import tables

# Number of resamplings. A matrix has an entry for each of them and each
# sequence.
_DRAWS = 2_000


class Estimate(NamedTuple):
  """Mean of a measure, with its 95% confidence interval.

  Attributes:
    mean: Mean over the pairs for which the measure is defined; NaN if there are
      none.
    low: Lower end of the interval; NaN for fewer than two sequences.
    high: Upper end of the interval.
    pairs: Number of these pairs.
    sequences: Number of sequences with these pairs.
  """

  mean: float
  low: float
  high: float
  pairs: int
  sequences: int


class Sampling:
  """Sequences of the pairs, and resamplings of the sequences."""

  def __init__(self, sequence: Int[np.ndarray, 'n']):
    """Draws the resamplings.

    Args:
      sequence: Number of each pair's sequence.
    """
    names, self._owner = np.unique(sequence, return_inverse=True)
    self._count = len(names)
    self._draws = tables.draws(self._count, count=_DRAWS).astype(float)

  def estimate(self, values: Float[np.ndarray, 'n']) -> Estimate:
    """Estimates the mean of a measure.

    Args:
      values: The measure for each pair; NaN where it is undefined.
    """
    known = ~np.isnan(values)
    weights = known.astype(float)
    pairs = np.bincount(self._owner, weights, self._count)
    sums = np.bincount(
      self._owner, np.where(known, values, 0).astype(float), self._count
    )
    sequences = int((pairs > 0).sum())
    if not sequences:
      return Estimate(np.nan, np.nan, np.nan, 0, 0)
    low = high = np.nan
    if sequences > 1:
      # A resampling without any known value has no mean.
      with np.errstate(invalid='ignore'):
        means = (self._draws @ sums) / (self._draws @ pairs)
      low, high = tables.interval(means)
    mean = float(sums.sum() / pairs.sum())
    return Estimate(mean, low, high, int(pairs.sum()), sequences)
