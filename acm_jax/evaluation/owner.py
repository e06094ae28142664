"""Marks a result folder as one tracker's, so that results are never mixed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acm_jax.host.staging import replacing

_FILE = 'tracker.json'


def check(folder: Path, about: Mapping[str, Any]) -> None:
  """Checks that a folder has no results of another tracker.

  Args:
    folder: Folder of results; may be missing.
    about: Description that identifies the tracker: names with JSON values.

  Raises:
    ValueError: The folder has results of another or of an unknown tracker. The
      message names what differs.
  """
  path = folder / _FILE
  if path.is_file():
    if differ := _differences(path, about):
      raise ValueError(
        f'{folder}: has results of another tracker (different in {_FILE}: '
        f'{", ".join(differ)}); remove the folder or choose another `out`'
      )
  elif folder.is_dir() and any(folder.iterdir()):
    raise ValueError(
      f'{folder}: has results of an unknown tracker; remove the folder or '
      'choose another `out`'
    )


def mark(folder: Path, about: Mapping[str, Any]) -> None:
  """Creates and marks a folder; to be called before results are written."""
  folder.mkdir(parents=True, exist_ok=True)
  if not (folder / _FILE).is_file():
    with replacing(folder / _FILE) as path:
      path.write_text(json.dumps(about, indent=1) + '\n')


def _differences(path: Path, about: Mapping[str, Any]) -> list[str]:
  """Lists the names with different values in the file and in `about`."""
  try:
    before = dict(json.loads(path.read_text()))
  except (ValueError, TypeError):
    return ['all values']
  after = json.loads(json.dumps(about))
  return [
    name
    for name in dict.fromkeys((*before, *after))
    if before.get(name) != after.get(name)
  ]
