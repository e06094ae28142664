"""The expected average overlap (EAO) of the VOT challenge, and its plot.

Source: VOT2015, Kristan et al., "The visual object tracking VOT2015 challenge
results".
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num

from acm_jax.evaluation.experiment import Points

ACCURACY_ROBUSTNESS = Points(
  name='accuracy_robustness',
  rank='eao',
  title='Accuracy and robustness, with EAO',
  x='robustness',
  y='accuracy',
  x_label='Robustness',
  y_label='Accuracy',
)


class Sums(NamedTuple):
  """Sums over runs, from which the expected overlap is computed.

  A run starts in its frame 0. Index i is a run length, which is the number of
  frames after the start. The expected overlap at run length i is
  `overlap[i] / count[i]`.

  Attributes:
    overlap: Sum, at each run length i, of the mean overlaps of the runs. The
      mean overlap of a run is taken over its frames 1 to i.
    count: Number of runs in each sum of `overlap`. If runs have weights, both
      sums are weighted.
  """

  overlap: Float[np.ndarray, 'n']
  count: Num[np.ndarray, 'n']


def redrawn(
  sums: Sequence[Sums], kept: slice, longest: Sequence[int]
) -> Callable[[Num[np.ndarray, 'd s']], Float[np.ndarray, 'd']]:
  """Creates a function that computes the EAO of resampled sequences.

  EAO is the expected overlap, averaged over run lengths. Lengths that no run
  reaches are left out, and so are lengths from the largest `longest` of the
  drawn sequences on.

  Args:
    sums: `Sums` over the runs of each sequence; one element per sequence.
    kept: Slice of the indices of the sums. It selects the run lengths over
      which the expected overlap is averaged.
    longest: First run length that each sequence leaves out.

  Returns:
    A function from counts [draws, sequences] to the EAO of each draw. A draw is
    one resampling of the sequences; its counts say how often each sequence was
    drawn. The EAO is NaN if no run of the draw reaches any of the lengths.
  """
  overlap = np.stack([each.overlap[kept] for each in sums])
  count = np.stack([each.count[kept] for each in sums])
  lengths = np.arange(kept.start, kept.start + overlap.shape[1])

  def redraw(drawn):
    overlaps, runs = drawn @ overlap, drawn @ count
    reached = runs > 0
    reached &= lengths < np.where(drawn > 0, longest, 0).max(axis=1)[:, None]
    curve = np.where(reached, overlaps / np.where(reached, runs, 1), 0.0)
    number = reached.sum(axis=1)
    mean = curve.sum(axis=1) / np.maximum(number, 1)
    return np.where(number > 0, mean, np.nan)

  return redraw
