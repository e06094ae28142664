"""What scoring a tracker gives, whatever the protocol."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Num


@runtime_checkable
class Scores(Protocol):
  """Scores of one sequence or of all; each protocol has its own."""

  def figures(self) -> dict[str, float]:
    """The numbers that reports print, by their names in scores.json."""


class Outcome(NamedTuple):
  """Scores of one tracker.

  Attributes:
    total: Of all sequences.
    sequences: Of each.
    redraw: The figure that trackers are ranked by, if each sequence were there
      so many times; a row a draw. It is what intervals are made from.
  """

  total: Scores
  sequences: Mapping[str, Scores]
  redraw: Callable[[Num[np.ndarray, 'd s']], Float[np.ndarray, 'd']]
