"""The config.json in the folder of a run, and copies of earlier configs."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from acm_jax import models
from acm_jax.datasets import nearby
from acm_jax.host import text_files
from acm_jax.host.staging import replacing
from acm_jax.training import processes, resuming

CONFIG = 'config.json'
_LOCK = '.lock'


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
  """Keeps other runs out of a folder until the block or the process ends.

  If several processes train together, the first one locks the folder for all.

  Args:
    workdir: Folder of a run; created if it is missing.

  Raises:
    ValueError: A run of another process is in the folder.
  """
  if not processes.is_first():
    yield
    return
  workdir.mkdir(parents=True, exist_ok=True)
  lock = filelock.FileLock(workdir / _LOCK)
  try:
    lock.acquire(timeout=0)
  except filelock.Timeout:
    raise ValueError(
      f'{workdir}: another process is training in this folder; wait until it '
      'has ended, or choose another `workdir` (processes that train together '
      'need `coordinator`)'
    ) from None
  try:
    yield
  finally:
    lock.release()


def check(
  workdir: Path, config: dict[str, Any], step: int | None = None
) -> None:
  """Checks that the run in a folder, if any, can be resumed with a config.

  Args:
    workdir: Folder of a run, which need not exist.
    config: Config to resume the run with.
    step: Step of the newest checkpoint; None if there is no checkpoint.

  Raises:
    ValueError: The folder holds a model. Or the steps so far would have been
      different with `config`; the message names the differences.
  """
  if models.has_weights(workdir):
    raise ValueError(
      f'{workdir}: holds a model, not a run; choose another folder, and give '
      'the model to `init_from` to train it further'
    )
  if not (workdir / CONFIG).exists():
    return
  old = read_config(workdir)
  try:
    resuming.check(old, _as_read(config), step)
  except KeyError as error:
    raise ValueError(
      f'{workdir / CONFIG}: has no section {error}; replace the file with '
      'an intact copy or choose another folder'
    ) from None
  except ValueError as error:
    raise ValueError(f'{workdir} {error}') from None


def claim(
  workdir: Path, config: dict[str, Any], step: int | None = None
) -> str:
  """Creates the folder of a run and writes the config.

  A previous config.json is kept as config.until_STEP.json.

  Args:
    workdir: Folder of a run, which need not exist.
    config: Config to start or to resume the run with.
    step: Step of the newest checkpoint; None if there is no checkpoint.

  Returns:
    A description of the changes to the previous config; empty if nothing has
    changed or there was no config.

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
  write_config(workdir, config)
  return ', '.join(changes.values())


def _keep(path: Path, step: int | None) -> None:
  """Keeps a copy of config.json, with which the steps so far were trained."""
  kept = path.with_name(f'config.until_{step}.json')
  # If the copy exists, it holds the config that these steps were trained with.
  # The present config.json was then written later, and no step trained with it
  # was saved.
  if step and not kept.exists():
    with replacing(kept) as partial:
      shutil.copyfile(path, partial)


def write_config(folder: Path, config: dict[str, Any]) -> None:
  """Writes config.json, replacing an existing one."""
  text = json.dumps(config, indent=2, sort_keys=True) + '\n'
  with replacing(folder / CONFIG) as partial:
    text_files.write(partial, text)


def read_config(workdir: Path) -> dict[str, Any]:
  """Reads the config of a training run or of a model.

  Args:
    workdir: Folder of the run or the model.

  Returns:
    The config, with tuples in place of lists, as in config files.

  Raises:
    FileNotFoundError: The folder has no config.
    ValueError: The config cannot be read.
  """
  path = workdir / CONFIG
  if not path.is_file():
    meant = nearby.find(workdir, lambda folder: (folder / CONFIG).is_file())
    raise FileNotFoundError(
      f'{workdir}: no {CONFIG} in it; give '
      f'{meant or "the folder of a training run or of a model"}'
    )
  try:
    config = json.loads(text_files.read(path))
  except json.JSONDecodeError as error:
    raise ValueError(
      f'{path}: not JSON ({error}); replace the file with an intact copy '
      'or choose another folder'
    ) from None
  if not isinstance(config, dict):
    raise ValueError(
      f'{path}: not the config of a run; replace the file with an intact copy '
      'or choose another folder'
    )
  return _tuples(config)


def _as_read(config: dict[str, Any]) -> dict[str, Any]:
  """Returns a config as `read_config` would return it after writing."""
  return _tuples(json.loads(json.dumps(config)))


def _tuples(value):
  if isinstance(value, dict):
    return {key: _tuples(item) for key, item in value.items()}
  if isinstance(value, list):
    return tuple(_tuples(item) for item in value)
  return value
