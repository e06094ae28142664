"""A trained tracker, ready to track, from what training or convert wrote."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import jax

from acm_jax import trackers
from acm_jax.tracking.contract import Hparams, Tracker
from acm_jax.tracking.model import Model
from acm_jax.training import checkpoints


def load(
  checkpoint: str,
  hparams: str | Mapping[str, float] | None = None,
  wide_search: str | None = None,
) -> Model:
  """Loads a checkpoint's tracker.

  Args:
    checkpoint: A train workdir or convert's output; DIR@STEP for one step,
      DIR@best for the best that was validated.
    hparams: Changes, as `{'penalty_k': 0.1}` or `penalty_k=0.1,size_lr=0.4`; or
      the name of values in the config's section `tuned`; or both, with a comma.
    wide_search: Instead of the config's; see `tracking.wide`.

  Raises:
    OSError: The folder, or the step in it, is not there.
    ValueError: The checkpoint is not whole or no tracker's, or a
      hyper-parameter is unknown.
  """
  config, variables = checkpoints.load_variables(checkpoint)
  for name, kind in (('tracker', dict), ('hparams', dict), ('precision', str)):
    if not isinstance(config.get(name), kind):
      raise ValueError(
        f'{checkpoint}: its config.json has no section {name!r} of a tracker'
      )
  section = config['tracker']
  if wide_search:
    section = {**section, 'wide_search': wide_search}
  tracker = trackers.make(precision=config['precision'], **section)
  if set(variables['params']) == {'backbone'} != _modules(tracker):
    raise ValueError(
      f'{checkpoint}: a backbone alone; train a tracker with --init_from'
    )
  changes = _changes(hparams or {}, config.get('tuned', {}))
  if isinstance(hparams, Mapping):
    hparams = ','.join(f'{name}={value}' for name, value in changes.items())
  parts = Path(checkpoint).resolve().name, hparams, wide_search
  return Model(
    name='-'.join(filter(None, parts)),
    tracker=tracker,
    # On the device, where all engines share them.
    variables=jax.device_put(variables),
    hparams=Hparams(**config['hparams'] | changes),
    precision=config['precision'],
  )


def _modules(tracker: Tracker) -> set[str]:
  """What a tracker's network is made of; of SiamFC it is the backbone."""
  return set(
    jax.eval_shape(tracker.init_variables, jax.random.key(0))['params']
  )


def _changes(
  hparams: str | Mapping[str, float],
  tuned: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
  """Values by name, of a mapping or of a text as `load` takes it."""
  changes = {}
  if isinstance(hparams, Mapping):
    changes |= hparams
  else:
    for item in filter(None, hparams.split(',')):
      name, equals, value = item.partition('=')
      changes |= {name: value} if equals else tuned.get(name, {name: ''})
  known = [field.name for field in dataclasses.fields(Hparams)]
  for name, value in changes.items():
    if name not in known:
      raise ValueError(
        f'hparams: no {name!r}; there are {"=, ".join(known)}=, and the '
        f'names {", ".join(tuned) or "(none)"}'
      )
    try:
      changes[name] = float(value)
    except (TypeError, ValueError):
      changes[name] = math.nan
    if not math.isfinite(changes[name]):
      raise ValueError(f'hparams: {name}={value} is not {name}=NUMBER')
  return changes
