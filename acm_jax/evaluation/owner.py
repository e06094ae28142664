"""Marks result folders with their tracker, so that trackers are never mixed."""

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
    about: Description that identifies the tracker, values of JSON by name.

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
  """Creates the folder and marks it; call this before writing results to it."""
  folder.mkdir(parents=True, exist_ok=True)
  if not (folder / _FILE).is_file():
    with replacing(folder / _FILE) as path:
      path.write_text(json.dumps(about, indent=1) + '\n')


def _differences(path: Path, about: Mapping[str, Any]) -> list[str]:
  """Lists the names whose values differ from those of a file."""
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
