"""Decides whether a run can be resumed with a changed config.

A change is permitted if it would not have changed the steps that the run has
already taken.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from acm_jax.training import schedule
from acm_jax.training.sections import Train

# Keys that the metrics of a validation depend on, in addition to the weights.
_MEASURES = (
  'hparams',
  'tracker.smallest_side',
  'tracker.wide_search',
  *('validation.benchmark', 'validation.sequences', 'validation.pairs'),
)
# Keys that no training step depends on. The batches are the same for any number
# of workers.
_FREE = (
  *_MEASURES,
  *('checkpoints', 'data.workers', 'log', 'sharding', 'tuned', 'validation'),
)
# Keys whose values may change for epochs that have not begun.
_BY_EPOCH = ('phases', 'schedule', 'train.epochs')
# Keys that earlier versions did not have, with the values for what they did.
_ADDED = {
  'train.accumulate': 1,
  'train.gradient_factor': 1.0,
  'train.norm_groups': 1,
  'train.remat': False,
}
# Key that is compared only after the teacher is loaded.
_FINGERPRINT = 'teacher.fingerprint'
# Tolerated relative difference of learning rates. It reflects the precision of
# float32, in which the step computes.
_TOLERANCE = 1e-6
_ADVICE = (
  'choose another `workdir`, with `init_from` to start from the weights of '
  'this run'
)
# The folder is not removed automatically, because another process may be about
# to write the first checkpoint to it.
_ADVICE_UNSAVED = (
  'remove the folder, which has no checkpoint, or choose another `workdir`'
)

Config = Mapping[str, Any]


def changes(old: Config, new: Config) -> dict[str, str]:
  """Describes the differences between two configs.

  The fingerprint of the teacher is added to a config when the teacher is
  loaded. Fingerprints are therefore compared only if `new` contains one.

  Returns:
    A dictionary from the path of each value that differs, such as
    `train.epochs`, to a description with the old and the new value.
  """
  before, after = (_ADDED | _flat(config) for config in (old, new))
  keys = before.keys() | after.keys()
  if _FINGERPRINT not in after:
    keys -= {_FINGERPRINT}
  return {
    key: f'{key} (was {_shown(before, key)}, now {_shown(after, key)})'
    for key in sorted(keys)
    if _shown(before, key) != _shown(after, key)
  }


def check(old: Config, new: Config, step: int | None) -> None:
  """Checks that a run's steps so far would be the same with a new config.

  Args:
    old: Config of the run.
    new: Config to resume the run with.
    step: Step of the newest checkpoint; None if there is no checkpoint.

  Raises:
    ValueError: A step so far would have been different, or the new config would
      end the run before `step`. The message begins with 'holds a run'; the
      caller must put the folder of the run before it.
  """
  descriptions = changes(old, new)
  permitted = _FREE + _BY_EPOCH
  forbidden = [key for key in descriptions if not _is_below(key, permitted)]
  if forbidden:
    named = ', '.join(descriptions[key] for key in forbidden)
    advice = _ADVICE_UNSAVED if step is None else _ADVICE
    raise ValueError(f'holds a run with another config: {named}; {advice}')
  by_epoch = any(_is_below(key, _BY_EPOCH) for key in descriptions)
  if by_epoch and step is not None:
    _check_epochs(old, new, step)


def _check_epochs(old: Config, new: Config, step: int) -> None:
  """Checks the learning rates and phases of all epochs that have begun."""
  train = Train(**new['train'])
  # At step 0, the optimizer's state is already that of the first phase.
  begun = max(1, -(-step // train.steps_per_epoch))
  if begun > train.epochs:
    raise ValueError(
      f'holds a run at step {step}, but config.train.epochs={train.epochs} '
      f'would end it at step {train.epochs * train.steps_per_epoch}; set '
      f'{begun} or more epochs'
    )
  old_rates, new_rates = (
    schedule.rate_per_epoch(config['train']['epochs'], **config['schedule'])
    for config in (old, new)
  )
  old_phases, new_phases = (
    schedule.make_phases(config['phases']) for config in (old, new)
  )
  for epoch in range(begun):
    if abs(new_rates[epoch] / old_rates[epoch] - 1) > _TOLERANCE:
      raise ValueError(
        f'holds a run whose epoch {epoch} had the learning rate '
        f'{old_rates[epoch]:.6g}; the new config gives {new_rates[epoch]:.6g}; '
        f'{_schedule_advice(old_rates, train.epochs)}, or {_ADVICE}'
      )
    old_phase = schedule.phase_at(old_phases, epoch)
    new_phase = schedule.phase_at(new_phases, epoch)
    if old_phase != new_phase:
      if old_phase.name == new_phase.name:
        change = 'whose settings have changed'
      else:
        change = f'and is now in phase {new_phase.name}'
      raise ValueError(
        f'holds a run whose epoch {epoch} was in phase {old_phase.name}, '
        f'{change}; keep the old config.phases for the epochs before {begun}, '
        f'or {_ADVICE}'
      )


def measured(config: Config) -> str:
  """Returns the settings that the metrics of a validation depend on, as JSON.

  Metrics with the same settings can be compared.
  """
  flat = _flat(config)
  kept = {key: flat[key] for key in flat if _is_below(key, _MEASURES)}
  return json.dumps(kept, sort_keys=True)


def _schedule_advice(old_rates: Float[np.ndarray, 'e'], epochs: int) -> str:
  """Explains how to keep an old run's rates in a run of `epochs` epochs."""
  # In further epochs, the rate keeps changing by the factor between the last
  # two rates.
  factor = old_rates[-1] / old_rates[-2] if len(old_rates) > 1 else 1.0
  last_rate = old_rates[-1] * factor ** (epochs - len(old_rates))
  return (
    'keep the old config.schedule, but set '
    f'config.schedule.last_rate={last_rate:.9g}, which gives the same rates in '
    f'a run of {epochs} epochs'
  )


def _is_below(key: str, prefixes: Sequence[str]) -> bool:
  """Returns whether a key equals a prefix or is nested below one."""
  return f'{key}.'.startswith(tuple(f'{prefix}.' for prefix in prefixes))


def _shown(flat: Config, key: str) -> str:
  return repr(flat[key]) if key in flat else 'absent'


def _flat(value: Any, prefix: str = '') -> dict[str, Any]:
  """Flattens nested mappings; keys are joined by dots."""
  if not isinstance(value, Mapping):
    return {prefix: value}
  flat = {}
  for key, item in value.items():
    flat |= _flat(item, f'{prefix}.{key}' if prefix else key)
  return flat
