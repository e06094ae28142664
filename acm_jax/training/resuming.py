"""With which other config a run may go on: one with the steps it has taken."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from acm_jax.training import schedule
from acm_jax.training.sections import Train

# What figures of a validation follow from, besides the weights.
_MEASURES = ('hparams', 'tracker.wide_search', 'validation')
# No step follows from these. Workers are for the machine to say.
_FREE = (*_MEASURES, 'checkpoints', 'data.workers', 'log', 'tuned')
# Of these, what matters is each epoch that has begun.
_BY_EPOCH = ('phases', 'schedule', 'train.epochs')
# Known once the teacher is loaded; until then the rest is compared.
_FINGERPRINT = 'teacher.fingerprint'
# Rates are float32 in the step.
_TOLERANCE = 1e-6
# The end of every refusal.
_ANEW = 'take another --workdir, with --init_from for the weights of this one'
# Of a run that has no weights yet; another process may be about to write some.
_UNSAVED = 'it has no checkpoint: remove the folder, or take another --workdir'

Config = Mapping[str, Any]


def changes(there: Config, here: Config) -> dict[str, str]:
  """What differs between two configs: by key, in words."""
  before, after = _flat(there), _flat(here)
  keys = before.keys() | after.keys()
  if _FINGERPRINT not in after:
    keys -= {_FINGERPRINT}
  return {
    key: f'{key} ({_shown(before, key)} there, {_shown(after, key)} asked for)'
    for key in sorted(keys)
    if _shown(before, key) != _shown(after, key)
  }


def check(there: Config, here: Config, step: int | None) -> None:
  """Makes sure that a config would have given the steps that a run has taken.

  Args:
    there: Config of the run.
    here: Config that it is to go on with.
    step: Steps taken by its newest checkpoint; None without one.

  Raises:
    ValueError: It would not, or ends before them. The message, whose subject is
      the folder of the run, says why and the ways on.
  """
  differ = changes(there, here)
  wrong = [key for key in differ if not _is_of(key, *_FREE, *_BY_EPOCH)]
  if wrong:
    named = ', '.join(differ[key] for key in wrong)
    ways = _ANEW if step is not None else _UNSAVED
    raise ValueError(f'holds a run with another config: {named}; {ways}')
  if step is not None and any(_is_of(key, *_BY_EPOCH) for key in differ):
    _check_epochs(there, here, step)


def _check_epochs(there: Config, here: Config, step: int) -> None:
  train = Train(**here['train'])
  # The optimizer's state at step 0, too, is that of a phase.
  begun = max(1, -(-step // train.steps_per_epoch))
  if begun > train.epochs:
    raise ValueError(
      f'holds a run at step {step}: config.train.epochs={train.epochs} would '
      f'end it at step {train.epochs * train.steps_per_epoch}; set {begun} or '
      'more'
    )
  before, after = (
    schedule.rate_per_epoch(c['train']['epochs'], **c['schedule'])
    for c in (there, here)
  )
  phases = [schedule.make_phases(c['phases']) for c in (there, here)]
  for epoch in range(begun):
    if abs(after[epoch] / before[epoch] - 1) > _TOLERANCE:
      raise ValueError(
        f'holds a run whose epoch {epoch} had the learning rate '
        f'{before[epoch]:.6g}, and here it has {after[epoch]:.6g}; '
        f'{_advice(before, train.epochs)}, or {_ANEW}'
      )
    old, new = (schedule.phase_at(each, epoch) for each in phases)
    if old != new:
      raise ValueError(
        f'holds a run whose epoch {epoch} was in phase {old.name}, and here '
        f'it is in {new.name}, or this has other settings; leave config.phases '
        f'as they were before epoch {begun}, or {_ANEW}'
      )


def measured(config: Config) -> str:
  """What a config's figures of validation follow from besides the weights.

  Figures of equal ones can be compared.
  """
  flat = _flat(config)
  kept = {key: flat[key] for key in flat if _is_of(key, *_MEASURES)}
  return json.dumps(kept, sort_keys=True)


def _advice(before: Float[np.ndarray, 'e'], epochs: int) -> str:
  """How to have the rates of before, in more epochs or fewer."""
  # One epoch more goes on by the factor of the last one; a lone one has none.
  factor = before[-1] / before[-2:][0]
  last_rate = before[-1] * factor ** (epochs - len(before))
  return (
    'leave config.schedule as it was, but for '
    f'config.schedule.last_rate={last_rate:.9g}, which gives {epochs} epochs '
    'the same rates'
  )


def _is_of(key: str, *places: str) -> bool:
  """Whether a key is one of some places or lies below one."""
  return f'{key}.'.startswith(tuple(f'{place}.' for place in places))


def _shown(flat: Config, key: str) -> str:
  return repr(flat[key]) if key in flat else 'absent'


def _flat(value: Any, prefix: str = '') -> dict[str, Any]:
  if not isinstance(value, Mapping):
    return {prefix: value}
  flat = {}
  for key, item in value.items():
    flat |= _flat(item, f'{prefix}.{key}' if prefix else key)
  return flat
