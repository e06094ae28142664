"""What changes from epoch to epoch: the learning rate and what trains."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from acm_jax.modules.mode import Mode
from acm_jax.training.optimizer import group_of
from acm_jax.training.sections import section


def rate_per_epoch(
  epochs: int,
  *,
  warmup_epochs: int,
  first_rate: float,
  peak_rate: float,
  last_rate: float,
) -> Float[np.ndarray, 'e']:
  """Learning rates: geometric from first to peak, then from peak to last.

  The peak is the rate of the epoch after the warm-up.

  Raises:
    ValueError: The warm-up leaves no epoch, or a rate is out of range.

  Source: the SiamRPN++ and SiamBAN training code.
  """
  if not 0 <= warmup_epochs < epochs:
    raise ValueError(
      f'warmup_epochs={warmup_epochs} must be less than epochs={epochs}'
    )
  if not all(0 < r <= 1e3 for r in (first_rate, peak_rate, last_rate)):
    raise ValueError(
      'first_rate, peak_rate and last_rate must be above 0 and at most 1000'
    )
  warmup = first_rate * (peak_rate / first_rate) ** np.linspace(
    0, 1, warmup_epochs, endpoint=False
  )
  decay = np.geomspace(peak_rate, last_rate, epochs - warmup_epochs)
  return np.concatenate([warmup, decay])


@dataclasses.dataclass(frozen=True)
class Phase:
  """Epochs in which the same parameters train.

  Attributes:
    name: For messages.
    from_epoch: The first epoch, from 0.
    rates: (regular expression, factor) pairs; a parameter takes the factor on
      the learning rate of the first expression that its path begins with. 0
      freezes it.
    frozen_statistics: See `Mode`.
  """

  name: str
  from_epoch: int
  rates: tuple[tuple[str, float], ...]
  frozen_statistics: tuple[str, ...] = ()

  def mode(self, params: Any) -> Mode:
    """Which modules of a network train, by the rates of their parameters.

    Args:
      params: Parameters, arrays or shapes.

    Raises:
      ValueError: See `optimizer.group_of`.
    """
    factors = dict(reversed(self.rates))
    trains = jax.tree.map(
      lambda group: factors[group] > 0, group_of(params, self.rates)
    )
    frozen = frozenset(_frozen(trains))
    return Mode(True, frozen, self.frozen_statistics)


def _frozen(trains: Any, path: str = '') -> Iterator[str]:
  """Paths of the largest parts of a tree in which nothing trains."""
  if path and not any(jax.tree.leaves(trains)):
    yield path
  elif isinstance(trains, Mapping):
    for name, part in trains.items():
      yield from _frozen(part, f'{path}/{name}' if path else name)


def make_phases(sections: Mapping[str, Mapping]) -> tuple[Phase, ...]:
  """Phases in the order of their first epochs.

  Args:
    sections: By name, the arguments of `make_phase`.

  Raises:
    ValueError: No phase begins at epoch 0, or two begin together; or a section
      is unfit.
  """
  phases = []
  for name, arguments in sections.items():
    with section(f'phases.{name}'):
      phases.append(make_phase(name, **arguments))
  phases.sort(key=lambda phase: phase.from_epoch)
  starts = [phase.from_epoch for phase in phases]
  if not starts or starts[0] != 0 or len(set(starts)) < len(starts):
    raise ValueError(
      f'config.phases: they begin at epochs {starts}: one must begin at 0, no '
      'two together'
    )
  return tuple(phases)


def make_phase(
  name: str,
  *,
  from_epoch: int,
  rates: Sequence[tuple[str, float]],
  frozen_statistics: Sequence[str] = (),
) -> Phase:
  """Makes a phase from a section of the config.

  Args:
    name: For messages.
    from_epoch: The first epoch, from 0.
    rates: See `Phase`.
    frozen_statistics: See `Mode`.

  Raises:
    ValueError: An expression is malformed.
  """
  _check_expressions('rates', [pattern for pattern, _ in rates])
  _check_expressions('frozen_statistics', frozen_statistics)
  return Phase(
    name=name,
    from_epoch=from_epoch,
    rates=tuple((path, float(rate)) for path, rate in rates),
    frozen_statistics=tuple(frozen_statistics),
  )


def _check_expressions(name: str, patterns: Sequence[str]) -> None:
  if isinstance(patterns, str):
    raise ValueError(f'{name}={patterns!r}: give a tuple of expressions')
  for pattern in patterns:
    try:
      re.compile(pattern)
    except re.error as error:
      raise ValueError(
        f'{name}: {pattern!r} is no regular expression ({error})'
      ) from None


def check_statistics(phases: Sequence[Phase], batch_stats: Any) -> None:
  """Checks that every expression of frozen statistics is of use.

  Args:
    phases: Phases of a run.
    batch_stats: Running statistics of the network, arrays or shapes.

  Raises:
    ValueError: An expression matches no batch norm.
  """
  leaves = jax.tree_util.tree_leaves_with_path(batch_stats)
  # Mean and variance lie below the path of their batch norm.
  norms = {
    jax.tree_util.keystr(path[:-1], simple=True, separator='/')
    for path, _ in leaves
  }
  for phase in phases:
    for pattern in phase.frozen_statistics:
      if not any(re.match(pattern, norm) for norm in norms):
        raise ValueError(
          f'config.phases.{phase.name}: frozen_statistics: no batch norm '
          f'begins with {pattern!r}; there are {", ".join(sorted(norms)[:3])}, '
          f'... ({len(norms)})'
        )


def phase_at(phases: Sequence[Phase], epoch: int) -> Phase:
  """The phase that an epoch belongs to."""
  return max(
    (phase for phase in phases if phase.from_epoch <= epoch),
    key=lambda phase: phase.from_epoch,
  )
