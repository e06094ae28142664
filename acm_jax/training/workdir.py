"""The folder of a run: what it was asked to do, written down once."""

import json
from pathlib import Path
from typing import Any

from data_pipelines.staging import replacing

CONFIG = 'config.json'
# What is for the machine to say: the run is the same with another value.
_OF_MACHINE = ('data.workers',)


def check(workdir: Path, config: dict[str, Any]) -> None:
  """Makes sure that the folder does not belong to a run of another config.

  Raises:
    ValueError: It does; the message names what differs.
  """
  if not (workdir / CONFIG).exists():
    return
  there = _flat(read_config(workdir))
  here = _flat(_tuples(json.loads(json.dumps(config))))
  keys = sorted(set(there) | set(here))
  differ = [
    key
    for key in keys
    if key not in _OF_MACHINE and _shown(there, key) != _shown(here, key)
  ]
  if differ:
    changes = ', '.join(
      f'{key} ({_shown(there, key)} there, {_shown(here, key)} asked for)'
      for key in differ
    )
    raise ValueError(
      f'{workdir} holds a run with another config: {changes}; '
      'take another --workdir'
    )


def _shown(flat: dict[str, Any], key: str) -> str:
  return repr(flat[key]) if key in flat else 'absent'


def claim(workdir: Path, config: dict[str, Any]) -> None:
  """Makes the folder and writes the config, unless it holds the same one.

  Raises:
    ValueError: The folder belongs to a run with another config.
  """
  check(workdir, config)
  if (workdir / CONFIG).exists():
    return
  workdir.mkdir(parents=True, exist_ok=True)
  with replacing(workdir / CONFIG) as partial:
    partial.write_text(json.dumps(config, indent=2, sort_keys=True) + '\n')


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


def _tuples(value):
  if isinstance(value, dict):
    return {key: _tuples(item) for key, item in value.items()}
  if isinstance(value, list):
    return tuple(_tuples(item) for item in value)
  return value


def _flat(value: Any, prefix: str = '') -> dict[str, Any]:
  if not isinstance(value, dict):
    return {prefix: value}
  flat = {}
  for key, item in value.items():
    flat |= _flat(item, f'{prefix}.{key}' if prefix else key)
  return flat
