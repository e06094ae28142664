"""Config sections of the training loop, and errors that name a section."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator


@contextlib.contextmanager
def section(name: str) -> Iterator[None]:
  """Adds the name of a config section to errors raised in the `with` block.

  Raises:
    ValueError: The block raised a ValueError, or a TypeError, which Python
      raises for a missing or unknown argument.
  """
  try:
    yield
  except (TypeError, ValueError) as error:
    raise ValueError(f'config.{name}: {error}') from error


@dataclasses.dataclass(frozen=True)
class Train:
  """Section `train`: length of the training, and settings of the step.

  Attributes:
    epochs: Number of epochs; the learning rate changes from epoch to epoch.
    pairs_per_epoch: Number of pairs in an epoch, rounded down to whole batches.
    batch_size: Number of pairs in a step, over all devices.
    seed: Random seed of the whole run.
    search_size: Side of the search crop in training, px; 0 for the same side as
      in tracking.
    ema_decay: Decay of the moving average of the weights, for example 0.999; 0
      for no average. If there is an average, it is used for tracking.
    accumulate: Number of equal parts of a batch that are processed one after
      the other, which saves memory. Their gradients are averaged, and each part
      updates the statistics of the batch norms.
    norm_groups: Number of equal groups of a part whose batch norms use the
      statistics of the group, as on the GPUs of the official code; 1 for
      statistics of the whole part. The running statistics are the average.
    gradient_factor: Factor on the gradients, before they are clipped. The
      official code sums the gradients of its GPUs instead of averaging them; a
      factor equal to the number of its GPUs gives the same updates, with the
      published learning rates, on any number of devices.
    remat: Whether gradients compute the inner values of the backbone's blocks
      again, which takes time and saves memory.
  """

  epochs: int
  pairs_per_epoch: int
  batch_size: int
  seed: int
  search_size: int = 0
  ema_decay: float = 0.0
  accumulate: int = 1
  norm_groups: int = 1
  gradient_factor: float = 1.0
  remat: bool = False

  def __post_init__(self):
    _check_counts(self, 'epochs', 'pairs_per_epoch', 'batch_size')
    _check_counts(self, 'accumulate', 'norm_groups')
    parts = self.accumulate * self.norm_groups
    if self.batch_size % parts:
      raise ValueError(
        f'batch_size={self.batch_size} must be a multiple of '
        f'accumulate={self.accumulate} times norm_groups={self.norm_groups}'
      )
    if not 0 < self.gradient_factor < math.inf:
      raise ValueError(
        f'gradient_factor={self.gradient_factor} must be above 0 and finite'
      )
    if self.pairs_per_epoch < self.batch_size:
      raise ValueError(
        f'pairs_per_epoch={self.pairs_per_epoch} must be at least '
        f'batch_size={self.batch_size}, which is one batch'
      )
    if not 0 <= self.ema_decay < 1:
      raise ValueError(
        f'ema_decay={self.ema_decay} must be at least 0 and less than 1'
      )

  @property
  def steps_per_epoch(self) -> int:
    """Number of steps in an epoch."""
    return self.pairs_per_epoch // self.batch_size


@dataclasses.dataclass(frozen=True)
class Log:
  """Section `log`.

  Attributes:
    every: Number of steps from one row of metrics to the next.
    wandb: Project of Weights & Biases that receives the metrics; empty to send
      nothing.
  """

  every: int
  wandb: str = ''

  def __post_init__(self):
    _check_counts(self, 'every')


@dataclasses.dataclass(frozen=True)
class Saving:
  """Section `checkpoints`.

  Attributes:
    every: Number of steps from one checkpoint to the next.
    keep: Number of newest checkpoints to keep, in addition to the best.
  """

  every: int
  keep: int

  def __post_init__(self):
    _check_counts(self, 'every', 'keep')


@dataclasses.dataclass(frozen=True)
class Validation:
  """Section `validation`: data for measuring the network at every checkpoint.

  Attributes:
    benchmark: Name of the benchmark, as in `acm_jax.evaluate`.
    sequences: Names of the sequences to track; training must not use them.
    pairs: Number of pairs, each of which consists of a template and a search
      crop. Each search crop is tracked with the template of its pair and with a
      template from another sequence; see `template_gap`. 0 to leave this out,
      which a single sequence requires.
    patience: Number of validations in a row that are worse than the best one
      after which the run stops; 0 to train to the end of the schedule.
  """

  benchmark: str
  sequences: tuple[str, ...]
  pairs: int = 64
  patience: int = 0

  def __post_init__(self):
    if not isinstance(self.pairs, int) or self.pairs < 0 or self.pairs == 1:
      raise ValueError(
        f'pairs={self.pairs!r} must be 0 or a whole number above 1'
      )
    names = self.sequences
    if isinstance(names, str) or not 0 < len(names) == len(set(names)):
      raise ValueError(
        f'sequences={names!r}: give one or more names, without repetition'
      )
    if len(names) == 1 and self.pairs:
      raise ValueError(
        f'sequences={names!r}: give two or more names, because each search '
        'crop is also tracked with a template from another sequence; or set '
        'pairs to 0'
      )
    if not isinstance(self.patience, int) or self.patience < 0:
      raise ValueError(
        f'patience={self.patience!r} must be a whole number, at least 0'
      )


@dataclasses.dataclass(frozen=True)
class Own:
  """Section `own`: the user's own sequences as training data.

  Attributes:
    held_out: Fraction of the videos that are held out for the validation; at
      least one is.
    stride: Sampling step: every `stride`-th frame of a sequence is used.
  """

  held_out: float
  stride: int = 1

  def __post_init__(self):
    if not 0 < self.held_out < 1:
      raise ValueError(f'held_out={self.held_out} must be above 0 and below 1')
    _check_counts(self, 'stride')


def _check_counts(values, *names: str) -> None:
  for name in names:
    value = getattr(values, name)
    if not isinstance(value, int) or value < 1:
      raise ValueError(f'{name}={value!r} must be a whole number above 0')
