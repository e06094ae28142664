"""Loads a trained tracker from a training run or a converted model."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import jax

from acm_jax import trackers
from acm_jax.tracking.contract import Hparams, Tracker
from acm_jax.tracking.model import Model, check_precision
from acm_jax.training import checkpoints


def load(
  checkpoint: str,
  hparams: str | Mapping[str, float] | None = None,
  wide_search: str | None = None,
) -> Model:
  """Loads the tracker of a checkpoint.

  Args:
    checkpoint: Folder of a training run or of a converted model; DIR@STEP or
      DIR@best selects a checkpoint of a run.
    hparams: Hyper-parameters to change, as a mapping `{'penalty_k': 0.1}` or as
      text `penalty_k=0.1,size_lr=0.4`. In the text, a name without a value
      stands for the entry of this name in the config section `tuned`.
    wide_search: Name of the rule that decides when to search a larger region,
      as in `tracking.wide` (default: the rule in the config).

  Raises:
    OSError: The folder does not exist or has no checkpoint.
    ValueError: The checkpoint does not exist, is damaged or does not belong to
      a tracker, or a hyper-parameter is invalid.
  """
  config, variables = checkpoints.load_variables(checkpoint)
  for name, kind in (('tracker', dict), ('hparams', dict), ('precision', str)):
    if not isinstance(config.get(name), kind):
      raise ValueError(
        f'{checkpoint}: config.json has no section {name!r}, which a tracker '
        'needs; give the folder of a trained or converted tracker'
      )
  section = config['tracker']
  if wide_search:
    section = {**section, 'wide_search': wide_search}
  try:
    check_precision(config['precision'])
    tracker = trackers.make(**section)
    original = {name: float(v) for name, v in config['hparams'].items()}
    Hparams(**original)
  except (TypeError, ValueError) as error:
    raise ValueError(f'{checkpoint}: config.json: {error}') from error
  only_backbone = set(variables['params']) == {'backbone'}
  if only_backbone and _modules(tracker) != {'backbone'}:
    raise ValueError(
      f'{checkpoint}: contains only a backbone; train a tracker from it with '
      '`init_from`'
    )
  changes = _changes(hparams or {}, config.get('tuned', {}))
  if isinstance(hparams, Mapping):
    hparams = ','.join(f'{name}={value}' for name, value in changes.items())
  parts = Path(checkpoint).resolve().name, hparams, wide_search
  return Model(
    name='-'.join(filter(None, parts)),
    tracker=tracker,
    # All engines share this copy on the device.
    variables=jax.device_put(variables),
    hparams=Hparams(**original | changes),
    precision=config['precision'],
  )


def _modules(tracker: Tracker) -> set[str]:
  """Returns the names of a network's modules; SiamFC has only a backbone."""
  return set(trackers.shapes(tracker)['params'])


def _changes(
  hparams: str | Mapping[str, float],
  tuned: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
  """Reads the hyper-parameters to change, as in `load`; keys are names."""
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
        f'`hparams`: unknown name {name!r}; give NAME=VALUE, or the name of an '
        f"entry of the config's section `tuned` (names: {', '.join(known)}; "
        f'entries: {", ".join(tuned) or "none"})'
      )
    try:
      changes[name] = float(value)
    except (TypeError, ValueError):
      changes[name] = math.nan
    if not math.isfinite(changes[name]):
      raise ValueError(
        f'`hparams`: {name}={value} is not a finite number; give {name}=NUMBER'
      )
  return changes
