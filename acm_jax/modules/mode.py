"""Which parts of a network train: a static value that every module is given."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mode:
  """Parts that train: their batch norms use and update batch statistics.

  Attributes:
    head: Whether neck, fusion and head train.
    backbone: For each stage of the backbone from the input on, whether it
      trains. Shorter than the backbone means the rest does not. No gradient
      is computed before the first stage that trains.
  """

  head: bool = False
  backbone: tuple[bool, ...] = ()

  def trains(self, stage: int) -> bool:
    """Whether backbone stage number `stage`, from 0 at the input, trains."""
    return stage < len(self.backbone) and self.backbone[stage]


EVAL = Mode()
