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
  hparams: str | None = None,
  wide_search: str | None = None,
) -> Model:
  """Loads a checkpoint's tracker.

  Args:
    checkpoint: A train workdir or convert's output; DIR@STEP for one step,
      DIR@best for the best that was validated.
    hparams: Changes, as `penalty_k=0.1,size_lr=0.4`, or the name of values in
      the config's section `tuned`, or both.
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
  changed = config['hparams'] | _parse(hparams or '', config.get('tuned', {}))
  parts = Path(checkpoint).resolve().name, hparams, wide_search
  return Model(
    name='-'.join(filter(None, parts)),
    tracker=tracker,
    # Once: a tracking call would send NumPy arrays anew each time.
    variables=jax.device_put(variables),
    hparams=Hparams(**changed),
    precision=config['precision'],
  )


def _modules(tracker: Tracker) -> set[str]:
  """What a tracker's network is made of; of SiamFC it is the backbone."""
  return set(jax.eval_shape(tracker.init, jax.random.key(0))['params'])


def _parse(
  text: str, tuned: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
  known = [field.name for field in dataclasses.fields(Hparams)]
  changes = {}
  for item in filter(None, text.split(',')):
    name, equals, value = item.partition('=')
    if not equals and name in tuned:
      changes |= tuned[name]
      continue
    if name not in known or not equals:
      raise ValueError(
        f'--hparams: no {item!r}; there are {"=, ".join(known)}=, and the '
        f'names {", ".join(tuned) or "(none)"}'
      )
    try:
      changes[name] = float(value)
    except ValueError:
      changes[name] = math.nan
    if not math.isfinite(changes[name]):
      raise ValueError(f'--hparams: {item!r} is not {name}=NUMBER')
  return changes
