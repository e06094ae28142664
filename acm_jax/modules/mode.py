"""Mode of a network: the parts that train. A mode is static under jit."""

import dataclasses
import re
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Mode:
  """Parts of a network that train.

  In these parts, batch norms use the statistics of the batch and update their
  running statistics. Elsewhere, batch norms use their running statistics.

  Attributes:
    training: Whether any part trains.
    frozen: Paths of the modules that do not train. A path consists of the names
      of nested modules, joined by '/'.
    frozen_statistics: Regular expressions. If one of them matches the beginning
      of a batch norm's path, the batch norm uses its running statistics without
      updating them, even in a part that trains.
    remat: Whether gradients compute the inner values of the backbone's blocks
      again, which takes time and saves memory.
  """

  training: bool = False
  frozen: frozenset[str] = frozenset()
  frozen_statistics: tuple[str, ...] = ()
  remat: bool = False

  def trains(self, path: Sequence[str]) -> bool:
    """Returns whether any parameter of the module at `path` trains."""
    above = {'/'.join(path[:end]) for end in range(1, len(path) + 1)}
    return self.training and not above & self.frozen

  def keeps_statistics(self, path: Sequence[str]) -> bool:
    """Returns whether the batch norm at `path` uses its running statistics."""
    name = '/'.join(path)
    frozen = any(re.match(each, name) for each in self.frozen_statistics)
    return frozen or not self.trains(path)


EVAL = Mode()
