"""The folder of a run: the config that it goes on with, and those before."""

import json
import shutil
from pathlib import Path
from typing import Any

from acm_jax.host.staging import replacing
from acm_jax.training import resuming

CONFIG = 'config.json'


def check(
  workdir: Path, config: dict[str, Any], step: int | None = None
) -> None:
  """Makes sure that the folder does not belong to a run of another config.

  Args:
    workdir: Folder of a run, which may not be there yet.
    config: Config that it is to go on with.
    step: Steps taken by its newest checkpoint; None without one.

  Raises:
    ValueError: It does: with this config the steps would have been others; the
      message names what differs.
  """
  if not (workdir / CONFIG).exists():
    return
  try:
    resuming.check(read_config(workdir), _as_read(config), step)
  except ValueError as error:
    raise ValueError(f'{workdir} {error}') from None


def claim(
  workdir: Path, config: dict[str, Any], step: int | None = None
) -> str:
  """Makes the folder and writes the config that it goes on with.

  What config.json was until then stays as config.until_STEP.json.

  Args:
    workdir: Folder of a run, which may not be there yet.
    config: Config that it goes on with.
    step: Steps taken by its newest checkpoint; None without one.

  Returns:
    What is other than before, in words; nothing in a new folder.

  Raises:
    ValueError: See `check`.
  """
  check(workdir, config, step)
  path, changes = workdir / CONFIG, {}
  if path.exists():
    changes = resuming.changes(read_config(workdir), _as_read(config))
    if not changes:
      return ''
    _keep(path, step)
  workdir.mkdir(parents=True, exist_ok=True)
  with replacing(path) as partial:
    partial.write_text(json.dumps(config, indent=2, sort_keys=True) + '\n')
  return ', '.join(changes.values())


def _keep(path: Path, step: int | None) -> None:
  former = path.with_name(f'config.until_{step}.json')
  # Of several at one step the first gave the steps before.
  if step and not former.exists():
    with replacing(former) as partial:
      shutil.copyfile(path, partial)


def read_config(workdir: Path) -> dict[str, Any]:
  """The config of a run; sequences are tuples, as in the config files.

  Raises:
    FileNotFoundError: The folder or its config is not there.
    ValueError: The config cannot be read.
  """
  path = workdir / CONFIG
  if not path.is_file():
    what = 'no such folder' if not workdir.is_dir() else f'no {CONFIG} in it'
    raise FileNotFoundError(
      f'{workdir}: {what}; give the --workdir of a training run or the --out '
      'of a conversion'
    )
  try:
    config = json.loads(path.read_text())
  except json.JSONDecodeError as error:
    raise ValueError(f'{path}: not JSON ({error})') from None
  if not isinstance(config, dict):
    raise ValueError(f'{path}: not the config of a run')
  return _tuples(config)


def _as_read(config: dict[str, Any]) -> dict[str, Any]:
  """The config as `read_config` would give it back."""
  return _tuples(json.loads(json.dumps(config)))


def _tuples(value):
  if isinstance(value, dict):
    return {key: _tuples(item) for key, item in value.items()}
  if isinstance(value, list):
    return tuple(_tuples(item) for item in value)
  return value
