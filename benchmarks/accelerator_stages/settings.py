"""What every stage is given."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Training:
  """What the stage `train` trains.

  Attributes:
    config: Config file, F.py or F.py:ARG.
    minutes: Time after which it is stopped with a checkpoint.
    flags: Further flags of `acm_jax.train`.
  """

  config: str
  minutes: float
  flags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Settings:
  """What every stage is given.

  Attributes:
    out: Folder of the results.
    rehearse: Whether everything has a toy size.
    packed: Folder that `--pack` wrote, if there is one.
    benchmark: Name of what the packed sequences are of.
    training: What is trained.
    earlier: Rows of the stages before, by stage.
  """

  out: Path
  rehearse: bool
  packed: Path | None
  benchmark: str
  training: Training
  earlier: Mapping[str, Sequence[Row]] = dataclasses.field(default_factory=dict)

  def packed_folder(self, name: str) -> Path | None:
    """A folder of the pack, if it is there."""
    folder = self.packed and self.packed / name
    return folder if folder and folder.is_dir() else None
