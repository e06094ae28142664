"""Paired differences between runs, with bootstrap intervals.

Runs with the same seed train on the same pairs and are measured on the same
sequences, so that their overlaps are compared sequence by sequence. The
bootstrap resamples both seeds and sequences, because both could have been
others.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# Average overlap of each sequence, for each seed.
Overlaps = Mapping[int, Mapping[str, float]]

_DRAWS = 10_000
# Standard errors between zero and a true difference that is found, with 95%
# confidence, in four of five repetitions: 1.96 + 0.84.
_FOUND = 2.8


class Estimate(NamedTuple):
  """A mean and its 95% interval."""

  mean: float
  low: float
  high: float


def mean(overlaps: Overlaps) -> Estimate:
  """Estimates the average overlap over seeds and sequences."""
  return _estimate(overlaps, _draws(overlaps))


def difference(ours: Overlaps, theirs: Overlaps) -> Estimate:
  """Estimates by how much `ours` exceeds `theirs` on average.

  Only seeds and sequences that both have count.

  Raises:
    ValueError: There is no such sequence.
  """
  paired = _paired(ours, theirs)
  return _estimate(paired, _draws(paired))


def detectable(overlaps: Overlaps) -> float:
  """Returns the smallest true difference that the comparison can detect.

  It is computed before any comparison, from runs of a single form: the mean
  difference between runs that differ only in their seeds is zero, and the
  spread of its estimate is that of a comparison. A true difference of 2.8
  standard errors is found in four of five repetitions.

  Args:
    overlaps: Overlaps of at least two seeds on the same sequences.
  """
  seeds = sorted(overlaps)
  others = dict(zip(seeds, seeds[1:] + seeds[:1], strict=True))
  null = {
    seed: _paired({0: overlaps[seed]}, {0: overlaps[other]})[0]
    for seed, other in others.items()
  }
  return _FOUND * float(np.std(_draws(null)))


def _paired(ours: Overlaps, theirs: Overlaps) -> Overlaps:
  paired = {
    seed: {
      name: value - theirs[seed][name]
      for name, value in ours[seed].items()
      if name in theirs[seed]
    }
    for seed in sorted(set(ours) & set(theirs))
  }
  paired = {seed: values for seed, values in paired.items() if values}
  if not paired:
    raise ValueError('the runs have no seed and sequence in common')
  return paired


def _estimate(overlaps: Overlaps, draws: Float[np.ndarray, 'd']) -> Estimate:
  middle = np.mean([np.mean(list(each.values())) for each in overlaps.values()])
  low, high = np.percentile(draws, (2.5, 97.5))
  return Estimate(float(middle), float(low), float(high))


def _draws(overlaps: Overlaps) -> Float[np.ndarray, 'd']:
  """Returns the mean of each resampling of the seeds and the sequences.

  If all seeds have the same sequences, a draw has the same resampled sequences
  for all seeds. If they have different ones, such as those of their folds, the
  sequences are resampled within each seed.
  """
  rng = np.random.default_rng(0)
  names = {frozenset(values) for values in overlaps.values()}
  rows = [
    np.array([values[name] for name in sorted(values)])
    for values in overlaps.values()
  ]
  shared = _weights(rng, len(rows[0])) if len(names) == 1 else None
  means = np.stack(
    [
      (_weights(rng, len(row)) if shared is None else shared) @ row
      for row in rows
    ],
    axis=1,
  )
  return np.sum(_weights(rng, len(rows)) * means, axis=1)


def _weights(rng: np.random.Generator, count: int) -> Float[np.ndarray, 'd n']:
  """Returns how much each of `count` items weighs in every resampling."""
  return rng.multinomial(count, np.full(count, 1 / count), _DRAWS) / count
