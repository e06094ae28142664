"""Reads, loads and saves trained trackers."""

import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from acm_jax import models, trackers
from acm_jax.host import names
from acm_jax.tracking.contract import Hparams, Tracker, Variables
from acm_jax.tracking.model import Model, check_precision
from acm_jax.training import workdir as workdirs

# Sections of a config that describe a trained tracker. `tuned` is optional.
_SECTIONS = ('tracker', 'hparams', 'precision', 'tuned')


def read(checkpoint: str | Path) -> tuple[dict[str, Any], Variables]:
  """Reads the config, weights and statistics of a trained tracker.

  Args:
    checkpoint: For a model, its name in the package or its FOLDER. For a
      training run, FOLDER for the newest checkpoint, FOLDER@STEP for the
      checkpoint of a step, or FOLDER@best for the best validated checkpoint.

  Returns:
    The config, and the variables as NumPy arrays.

  Raises:
    FileNotFoundError: There is no such folder or model, or the folder has no
      config or no finished checkpoint.
    RuntimeError: The checkpoint cannot be read, but need not be damaged.
    ValueError: The config, the weights or the checkpoint are damaged, the step
      does not exist, or `best` is requested and no checkpoint was validated.
  """
  folder, selected = _located(checkpoint)
  config = workdirs.read_config(folder)
  if not models.has_weights(folder):
    # Imported here, because Orbax takes long to import.
    from acm_jax.training import checkpoints

    return config, checkpoints.read_variables(folder, selected)
  if selected:
    raise ValueError(
      f'{checkpoint}: a model has no steps to choose from; leave out '
      f'@{selected}'
    )
  return config, models.read_weights(folder)


def read_tracker(checkpoint: str | Path) -> tuple[dict[str, Any], Variables]:
  """Reads a trained tracker, and checks that it can track.

  Args:
    checkpoint: Name or folder; see `read`.

  Returns:
    The sections of the config that describe the tracker, and the variables as
    NumPy arrays.

  Raises:
    FileNotFoundError: See `read`.
    ValueError: See `read`; or the checkpoint does not belong to a tracker.
  """
  config, variables = read(checkpoint)
  for name, kind in (('tracker', dict), ('hparams', dict), ('precision', str)):
    if not isinstance(config.get(name), kind):
      raise ValueError(
        f'{checkpoint}: config.json has no section {name!r}, which a tracker '
        'needs; give the folder of a trained or converted tracker'
      )
  try:
    check_precision(config['precision'])
    tracker = trackers.make(**config['tracker'])
    hparams = {name: float(v) for name, v in config['hparams'].items()}
    Hparams(**hparams)
  except (TypeError, ValueError) as error:
    raise ValueError(f'{checkpoint}: config.json: {error}') from error
  # The backbone of SiamFC is its whole network.
  only_backbone = set(variables['params']) == {'backbone'}
  if only_backbone and _modules(tracker) != {'backbone'}:
    raise ValueError(
      f'{checkpoint}: contains only a backbone; train a tracker from it with '
      '`init_from` and the config of a network'
    )
  return _described(config) | {'hparams': hparams}, variables


def _described(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the sections of a config that describe the trained tracker."""
  return {name: config[name] for name in _SECTIONS if name in config}


def _located(checkpoint: str | Path) -> tuple[Path, str | None]:
  """Returns the folder of a checkpoint, and the text after @, if any."""
  parts = re.fullmatch(r'(.*?)(?:@(\d+|best))?', str(checkpoint))
  name, selected = parts.groups()
  return models.find(name), selected


def save(
  folder: Path,
  config: dict[str, Any],
  variables: Variables,
  dtype: str = 'float32',
) -> None:
  """Saves a trained tracker as a model, which `load` and `read` accept.

  Args:
    folder: Existing folder to write to.
    config: Config of the tracker. Its sections on training are left out.
    variables: Weights and statistics of the network.
    dtype: Type of the numbers in the file, 'float32' or 'float16'.

  Raises:
    ValueError: A number cannot be represented in `dtype`.
  """
  models.write_weights(folder, variables, dtype)
  workdirs.write_config(folder, _described(config))


def load(
  checkpoint: str,
  hparams: str | Mapping[str, float] | None = None,
  wide_search: str | None = None,
  smallest_side: float | None = None,
) -> Model:
  """Loads the tracker of a checkpoint.

  Args:
    checkpoint: Name or folder; see `read`.
    hparams: Hyper-parameters to change, as a mapping `{'penalty_k': 0.1}` or as
      text `penalty_k=0.1,size_lr=0.4`. In the text, a name without a value
      stands for the entry of this name in the config section `tuned`.
    wide_search: Name of the rule that decides when to search a larger region,
      as in `tracking.wide` (default: the rule in the config).
    smallest_side: Lower limit of the width and height of tracked boxes, px
      (default: the value in the config).

  Raises:
    OSError: The folder does not exist or has no checkpoint.
    ValueError: The checkpoint does not exist, is damaged or does not belong to
      a tracker, or another argument is invalid.
  """
  config, variables = read_tracker(checkpoint)
  changed = {'wide_search': wide_search, 'smallest_side': smallest_side}
  changed = {name: x for name, x in changed.items() if x is not None}
  changes = _changes(hparams or {}, config.get('tuned', {}))
  if isinstance(hparams, Mapping):
    hparams = ','.join(f'{name}={value}' for name, value in changes.items())
  folder, selected = _located(checkpoint)
  name = '@'.join(filter(None, (folder.resolve().name, selected)))
  side = None if smallest_side is None else f'smallest_side={smallest_side:g}'
  return Model(
    name='-'.join(filter(None, (name, hparams, wide_search, side))),
    tracker=trackers.make(**config['tracker'] | changed),
    # All engines share this copy on the device.
    variables=jax.device_put(variables),
    hparams=Hparams(**config['hparams'] | changes),
    precision=config['precision'],
  )


def _modules(tracker: Tracker) -> set[str]:
  """Returns the names of the outermost modules of a tracker's network."""
  return set(trackers.shapes(tracker)['params'])


def _changes(
  hparams: str | Mapping[str, float],
  tuned: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
  """Parses the argument `hparams` of `load`.

  Returns:
    A dictionary from names of hyper-parameters to their new values.
  """
  changes = {}
  if isinstance(hparams, Mapping):
    changes |= hparams
  else:
    for item in filter(None, hparams.split(',')):
      name, equals, value = item.partition('=')
      changes |= (
        {name: value}
        if equals
        else tuned.get(names.find(name, tuned), {name: ''})
      )
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
