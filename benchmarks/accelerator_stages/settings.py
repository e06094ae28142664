"""Settings that every stage receives."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Training:
  """Settings of the stage `train`.

  Attributes:
    config: Config to train, as in `acm-jax train --config`.
    minutes: Time after which training is stopped; it then saves a checkpoint.
    flags: Further flags of `acm-jax train`.
  """

  config: str
  minutes: float
  flags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of all stages.

  Attributes:
    out: Folder of the results.
    rehearse: Whether all stages run at toy size.
    packed: Pack that the stages use, if any: a folder with data, sequences,
      checkpoints and wheels; see `packing`.
    benchmark: Benchmark of the packed sequences.
    training: Settings of the stage `train`.
    earlier: Rows of earlier stages; keys are names of stages.
  """

  out: Path
  rehearse: bool
  packed: Path | None
  benchmark: str
  training: Training
  earlier: Mapping[str, Sequence[Row]] = dataclasses.field(default_factory=dict)

  def packed_folder(self, name: str) -> Path | None:
    """Returns the subfolder `name` of the pack, if it exists."""
    folder = self.packed and self.packed / name
    return folder if folder and folder.is_dir() else None
