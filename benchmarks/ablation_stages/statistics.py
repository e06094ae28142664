"""Intervals for means over runs and for paired differences between runs.

Runs with the same seed train on the same pairs and are measured on the same
sequences, so that their overlaps are compared sequence by sequence. An interval
covers what could have been otherwise: the sequences and the seeds.

The targets are resampled, because sequences that show the same target resemble
each other. Three seeds are too few to resample: a bootstrap of three values
loses a third of their variance. The variance between seeds is therefore
estimated from all means of a table together, and enters as noise of Student's
distribution.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

# Average overlap of each sequence, for each seed.
Overlaps = Mapping[int, Mapping[str, float]]

_DRAWS = 10_000
# Probability with which a difference of the size of `detectable` is found.
_POWER = 0.8


class Estimate(NamedTuple):
  """A mean, its standard error and its 95% interval.

  The error and the interval are None if there is only one seed, whose result
  says nothing about other seeds.
  """

  mean: float
  error: float | None
  low: float | None
  high: float | None


def difference(ours: Overlaps, theirs: Overlaps) -> Overlaps:
  """Returns by how much `ours` exceeds `theirs` in each sequence.

  Only seeds and sequences that both have are returned.
  """
  paired = {
    seed: {
      name: value - theirs[seed][name]
      for name, value in ours[seed].items()
      if name in theirs[seed]
    }
    for seed in sorted(set(ours) & set(theirs))
  }
  return {seed: values for seed, values in paired.items() if values}


def average(cells: Sequence[Overlaps]) -> Overlaps:
  """Returns the mean over `cells` of each seed and sequence that all have."""
  seeds = sorted(set.intersection(*(set(cell) for cell in cells)))
  return {
    seed: {
      name: float(np.mean([cell[seed][name] for cell in cells]))
      for name in cells[0][seed]
      if all(name in cell[seed] for cell in cells)
    }
    for seed in seeds
  }


def estimates(
  cells: Sequence[Overlaps], targets: Mapping[str, str] | None = None
) -> list[Estimate]:
  """Estimates the mean of each cell of a table.

  Args:
    cells: Values of each cell, all of the same kind: overlaps, or differences
      of overlaps.
    targets: Target that a sequence shows (default: a target of its own).
  """
  targets = targets or {}
  freedom = sum(len(cell) - 1 for cell in cells)
  variance = _between_seeds(cells)
  return [_estimate(cell, targets, variance, freedom) for cell in cells]


def detectable(found: Sequence[Estimate], freedom: int) -> float | None:
  """Returns the smallest true difference that a table is likely to show.

  In four of five repetitions, the interval of a difference of this size would
  exclude zero. The size depends on the spread of the differences, not on their
  means.

  Args:
    found: Differences in the table.
    freedom: Degrees of freedom: the number of seeds less one, summed over the
      differences.
  """
  errors = [each.error for each in found if each.error is not None]
  if not errors:
    return None
  quantiles = stats.t.ppf([0.975, _POWER], freedom)
  return float(np.sum(quantiles) * np.sqrt(np.mean(np.square(errors))))


def _between_seeds(cells: Sequence[Overlaps]) -> float:
  """Estimates the variance of a seed's mean that other seeds explain.

  It is the variance of the seeds' means, less the part that is due to the
  sequences that each mean has.
  """
  parts = [_variance(cell) for cell in cells if len(cell) > 1]
  weights = [len(cell) - 1 for cell in cells if len(cell) > 1]
  if not parts:
    return 0.0
  return max(0.0, float(np.average(parts, weights=weights)))


def _variance(cell: Overlaps) -> float:
  rows = [
    np.array([values[name] for name in sorted(values)])
    for values in cell.values()
  ]
  means = np.array([np.mean(row) for row in rows])
  if len({frozenset(values) for values in cell.values()}) == 1:
    # All seeds have the same sequences, whose own means differ from no seed to
    # another.
    table = np.stack(rows)
    rest = table - table.mean(0) - means[:, None] + table.mean()
    freedom = (len(rows) - 1) * max(1, table.shape[1] - 1)
    noise = np.sum(rest**2) / freedom / table.shape[1]
  else:
    noise = np.mean(
      [np.var(row, ddof=1) / len(row) for row in rows if len(row) > 1] or [0.0]
    )
  return float(np.var(means, ddof=1) - noise)


def _estimate(
  cell: Overlaps, targets: Mapping[str, str], variance: float, freedom: int
) -> Estimate:
  values = [value for each in cell.values() for value in each.values()]
  middle = float(np.mean(values))
  if freedom == 0:
    return Estimate(middle, None, None, None)
  noise = np.random.default_rng(0).standard_t(freedom, _DRAWS)
  draws = _resampled(cell, targets) + np.sqrt(variance / len(cell)) * noise
  low, high = np.percentile(draws, (2.5, 97.5))
  return Estimate(middle, float(np.std(draws)), float(low), float(high))


def _resampled(
  cell: Overlaps, targets: Mapping[str, str]
) -> Float[np.ndarray, 'd']:
  """Returns the mean of each resampling of the targets."""
  sums: dict[str, list[float]] = {}
  for values in cell.values():
    for name, value in values.items():
      sums.setdefault(targets.get(name, name), []).append(value)
  total = np.array([np.sum(each) for each in sums.values()])
  count = np.array([len(each) for each in sums.values()])
  weights = _weights(len(total))
  draws = (weights @ total) / (weights @ count)
  # A resampling of n targets varies less than n new ones.
  middle = np.sum(total) / np.sum(count)
  inflation = np.sqrt(len(total) / max(1, len(total) - 1))
  return middle + inflation * (draws - middle)


@functools.cache
def _weights(count: int) -> Float[np.ndarray, 'd n']:
  """Returns how often each of `count` targets is in every resampling."""
  # Another generator than that of the noise, of which it is independent.
  rng = np.random.default_rng(1)
  return rng.multinomial(count, [1 / count] * count, _DRAWS).astype(float)
