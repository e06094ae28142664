"""What scoring a tracker gives, whatever the experiment."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
  """Scores of one sequence or of many; NaN where undefined.

  Attributes:
    figures: The numbers that reports print, by their names in scores.json.
    curves: Shares by threshold, by name.
    rated: How many frames the figures are of, where they are means of frames.
  """

  figures: Mapping[str, float]
  curves: Mapping[str, Float[np.ndarray, '_']] = dataclasses.field(
    default_factory=dict
  )
  rated: int = 0

  def __getitem__(self, name: str) -> float:
    """The figure of a name."""
    return self.figures[name]


class Outcome(NamedTuple):
  """Scores of one tracker.

  Attributes:
    total: Of all sequences.
    sequences: Of each.
    redraw: Gives the figure that trackers are ranked by for each row of counts
      [draws, sequences], with each sequence counted so many times; intervals
      are made from it.
    short: By sequence, where results end before the annotation: their rows.
    long: By sequence, where they go on behind it and are cut: their rows.
  """

  total: Scores
  sequences: Mapping[str, Scores]
  redraw: Callable[[Num[np.ndarray, 'd s']], Float[np.ndarray, 'd']]
  short: Mapping[str, int] = MappingProxyType({})
  long: Mapping[str, int] = MappingProxyType({})
