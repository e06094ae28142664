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
  'accuracy_robustness',
  'eao',
  'Accuracy and robustness, with EAO',
  x='robustness',
  y='accuracy',
  x_label='Robustness',
  y_label='Accuracy',
)


class Sums(NamedTuple):
  """What the expected overlap of runs of each length is the quotient of.

  Attributes:
    overlap: Summed over the runs that count; entry i is of i frames behind the
      first.
    count: How many there are.
  """

  overlap: Float[np.ndarray, 'n']
  count: Num[np.ndarray, 'n']


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
