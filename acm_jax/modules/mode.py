"""Which parts of a network train: a static value that every module is given."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Mode:
  """Parts that train: their batch norms use and update batch statistics.

  Attributes:
    head: Whether neck, fusion and head train.
    backbone: For each stage of the backbone from the input on, whether it
      trains. Shorter than the backbone means the rest does not. No gradient
      is computed before the first stage that trains.
    frozen_statistics: Regular expressions; a batch norm whose path begins with
      one uses and keeps its running statistics although its part trains. A
      path is the names of its modules joined by '/'.
  """

  head: bool = False
  backbone: tuple[bool, ...] = ()
  frozen_statistics: tuple[str, ...] = ()

  def trains(self, stage: int) -> bool:
    """Whether backbone stage number `stage`, from 0 at the input, trains."""
    return stage < len(self.backbone) and self.backbone[stage]

  def keeps_statistics(self, path: str) -> bool:
    """Whether the statistics of the batch norm at `path` are frozen."""
    return any(re.match(each, path) for each in self.frozen_statistics)


EVAL = Mode()
