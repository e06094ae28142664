"""Learning rates of the epochs, and phases that train different parameters."""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from acm_jax.modules.mode import Mode
from acm_jax.training import expressions
from acm_jax.training.sections import section


def rate_per_epoch(
  epochs: int,
  *,
  warmup_epochs: int,
  first_rate: float,
  peak_rate: float,
  last_rate: float,
) -> Float[np.ndarray, 'e']:
  """Computes the learning rate of each epoch.

  The rates rise geometrically to a peak, and then fall geometrically.

  Args:
    epochs: Number of epochs.
    warmup_epochs: Number of epochs before the peak.
    first_rate: Rate of the first epoch, if there is a warm-up.
    peak_rate: Rate of the first epoch after the warm-up.
    last_rate: Rate of the last epoch, unless that is the epoch of `peak_rate`.

  Raises:
    ValueError: No epoch is left after the warm-up, or a rate is out of range.

  Source: the SiamRPN++ and SiamBAN training code.
  """
  if not 0 <= warmup_epochs < epochs:
    raise ValueError(
      f'warmup_epochs={warmup_epochs} must be at least 0 and less than '
      f'epochs={epochs}'
    )
  if not all(0 < r <= 1e3 for r in (first_rate, peak_rate, last_rate)):
    raise ValueError(
      f'first_rate={first_rate}, peak_rate={peak_rate} and '
      f'last_rate={last_rate} must be above 0 and at most 1000'
    )
  warmup = first_rate * (peak_rate / first_rate) ** np.linspace(
    0, 1, warmup_epochs, endpoint=False
  )
  decay = np.geomspace(peak_rate, last_rate, epochs - warmup_epochs)
  return np.concatenate([warmup, decay])


@dataclasses.dataclass(frozen=True)
class Phase:
  """Consecutive epochs in which the same parameters train.

  Attributes:
    name: Name of the phase, for messages.
    from_epoch: First epoch of the phase, counted from 0.
    rates: Pairs of a regular expression and a factor. The first expression that
      matches the beginning of a parameter's path gives the factor on the
      parameter's learning rate; 0 freezes the parameter.
    frozen_statistics: Regular expressions. Batch norms keep their running
      statistics if an expression matches the beginning of their path.
  """

  name: str
  from_epoch: int
  rates: tuple[tuple[str, float], ...]
  frozen_statistics: tuple[str, ...] = ()

  def mode(self, params: Any) -> Mode:
    """Returns the parts of a network that train during the phase, as a `Mode`.

    Args:
      params: Parameters of the network, as arrays or shapes.

    Raises:
      ValueError: A parameter matches no expression in `rates`, or an expression
        is never the first that matches.
    """
    factors = dict(self.rates)
    assigned = expressions.assign('rates', list(factors), params)
    trains = jax.tree.map(lambda pattern: factors[pattern] > 0, assigned)
    frozen = frozenset(_frozen(trains))
    return Mode(
      training=True,
      frozen=frozen,
      frozen_statistics=self.frozen_statistics,
    )


def _frozen(trains: Any, path: str = '') -> Iterator[str]:
  """Yields the paths of the largest subtrees in which nothing trains."""
  if path and not any(jax.tree.leaves(trains)):
    yield path
  elif isinstance(trains, Mapping):
    for name, part in trains.items():
      yield from _frozen(part, f'{path}/{name}' if path else name)


def make_phases(sections: Mapping[str, Mapping]) -> tuple[Phase, ...]:
  """Makes phases, sorted by their first epochs.

  Args:
    sections: Mapping from the name of each phase to the other arguments of
      `make_phase`.

  Raises:
    ValueError: No phase begins at epoch 0, two phases begin at the same epoch,
      or a section is invalid.
  """
  phases = []
  for name, arguments in sections.items():
    with section(f'phases.{name}'):
      phases.append(make_phase(name, **arguments))
  phases.sort(key=lambda phase: phase.from_epoch)
  starts = [phase.from_epoch for phase in phases]
  if not starts or starts[0] != 0 or len(set(starts)) < len(starts):
    raise ValueError(
      f'config.phases: the phases begin at epochs {starts}; one must begin at '
      '0, and no two at the same epoch'
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
    name: Name of the phase, for messages.
    from_epoch: First epoch of the phase, counted from 0.
    rates: Pairs of a regular expression and a factor on the learning rate; see
      `Phase`.
    frozen_statistics: Regular expressions that select batch norms; see `Phase`.

  Raises:
    ValueError: An expression is malformed or occurs twice, or a factor is
      negative or not finite.
  """
  expressions.check_pairs('rates', rates, ('backbone/', 0.1))
  for pattern, factor in rates:
    if not 0 <= factor < math.inf:
      raise ValueError(
        f'rates: the factor {factor} for {pattern!r} must be finite and at '
        'least 0'
      )
  expressions.check('frozen_statistics', frozen_statistics)
  return Phase(
    name=name,
    from_epoch=from_epoch,
    rates=tuple((path, float(rate)) for path, rate in rates),
    frozen_statistics=tuple(frozen_statistics),
  )


def check_statistics(phases: Sequence[Phase], batch_stats: Any) -> None:
  """Checks that every expression in `frozen_statistics` matches a batch norm.

  Args:
    phases: Phases of a run.
    batch_stats: Running statistics of the network, as arrays or shapes.

  Raises:
    ValueError: An expression matches no batch norm.
  """
  # The last name in a path, which is dropped, is `mean` or `var`.
  norms = {
    path.rpartition('/')[0] for path, _ in expressions.named(batch_stats)
  }
  for phase in phases:
    for pattern in phase.frozen_statistics:
      if not any(re.match(pattern, norm) for norm in norms):
        raise ValueError(
          f'config.phases.{phase.name}: frozen_statistics: {pattern!r} selects '
          'no batch norm; correct or remove the expression (examples of the '
          f'{len(norms)} paths: {", ".join(sorted(norms)[:3])})'
        )


def phase_at(phases: Sequence[Phase], epoch: int) -> Phase:
  """Returns the phase that an epoch belongs to."""
  return max(
    (phase for phase in phases if phase.from_epoch <= epoch),
    key=lambda phase: phase.from_epoch,
  )
