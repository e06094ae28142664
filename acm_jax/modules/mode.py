"""Which parts of a network train: a static value that every module is given."""

import dataclasses
import re
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Mode:
  """Parts that train: their batch norms use and update batch statistics.

  A path is the names of nested modules, joined by '/' in the attributes.

  Attributes:
    training: Whether anything trains.
    frozen: Paths of the modules that do not train, if others do.
    frozen_statistics: Regular expressions; a batch norm whose path begins with
      one uses and keeps its running statistics although its part trains.
  """

  training: bool = False
  frozen: frozenset[str] = frozenset()
  frozen_statistics: tuple[str, ...] = ()

  def trains(self, path: Sequence[str]) -> bool:
    """Whether any parameter of the module at `path` trains."""
    above = {'/'.join(path[:end]) for end in range(1, len(path) + 1)}
    return self.training and not above & self.frozen

  def keeps_statistics(self, path: Sequence[str]) -> bool:
    """Whether the statistics of the batch norm at `path` are frozen."""
    name = '/'.join(path)
    return any(re.match(each, name) for each in self.frozen_statistics)


EVAL = Mode()
