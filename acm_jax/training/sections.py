"""Sections of a config: those of the loop, and errors that name a section."""

import contextlib
import dataclasses
from collections.abc import Iterator


@contextlib.contextmanager
def section(name: str) -> Iterator[None]:
  """Names the section of a config in errors raised inside.

  Raises:
    ValueError: What was raised inside, a missing or unknown argument included.
  """
  try:
    yield
  except (TypeError, ValueError) as error:
    raise ValueError(f'config.{name}: {error}') from error


@dataclasses.dataclass(frozen=True)
class Train:
  """Section `train`: how long.

  Attributes:
    epochs: After each the learning rate changes.
    pairs_per_epoch: Rounded down to whole batches.
    batch_size: Pairs of a step over all devices.
    seed: All randomness of the run follows from it.
    search_size: Side of the search crop in training, px; 0 stands for the
      tracker's, which it has when it tracks.
    ema_decay: Decay of the moving average of the weights that tracking uses,
      as 0.999; 0 for none.
  """

  epochs: int
  pairs_per_epoch: int
  batch_size: int
  seed: int
  search_size: int = 0
  ema_decay: float = 0.0

  def __post_init__(self):
    _check_counts(self, 'epochs', 'pairs_per_epoch', 'batch_size')
    if self.pairs_per_epoch < self.batch_size:
      raise ValueError(
        f'pairs_per_epoch={self.pairs_per_epoch} is less than one batch of '
        f'batch_size={self.batch_size}'
      )
    if not 0 <= self.ema_decay < 1:
      raise ValueError(f'ema_decay={self.ema_decay} must be from 0 to below 1')

  @property
  def steps_per_epoch(self) -> int:
    """Whole batches."""
    return self.pairs_per_epoch // self.batch_size


@dataclasses.dataclass(frozen=True)
class Log:
  """Section `log`: steps from one row of metrics to the next."""

  every: int

  def __post_init__(self):
    _check_counts(self, 'every')


@dataclasses.dataclass(frozen=True)
class Saving:
  """Section `checkpoints`.

  Attributes:
    every: Steps from one checkpoint to the next.
    keep: How many of the newest stay.
  """

  every: int
  keep: int

  def __post_init__(self):
    _check_counts(self, 'every', 'keep')


@dataclasses.dataclass(frozen=True)
class Validation:
  """Section `validation`: what is measured at every checkpoint.

  Attributes:
    benchmark: Name of the benchmark, as `acm_jax.evaluate` knows it.
    sequences: Names of its sequences, which are held out of training.
    pairs: Number of pairs that the gap between right and wrong templates is
      measured on.
  """

  benchmark: str
  sequences: tuple[str, ...]
  pairs: int = 64

  def __post_init__(self):
    names = self.sequences
    if isinstance(names, str) or len(set(names)) < max(2, len(names)):
      raise ValueError(
        f'sequences={names!r}: name two or more, each once, so that there is '
        'a wrong template'
      )
    if not isinstance(self.pairs, int) or self.pairs < 2:
      raise ValueError(f'pairs={self.pairs!r} must be a whole number above 1')


def _check_counts(values, *names: str) -> None:
  for name in names:
    value = getattr(values, name)
    if not isinstance(value, int) or value < 1:
      raise ValueError(f'{name}={value!r} must be a whole number above 0')
