"""Marks a folder of results with its tracker, so that no other adds to it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acm_jax.host.staging import replacing

_FILE = 'tracker.json'


def check(folder: Path, about: Mapping[str, Any]) -> None:
  """Makes sure that what is in a folder is of the same tracker.

  Args:
    folder: Of results; need not be there.
    about: What identifies the tracker.

  Raises:
    ValueError: It has results of another tracker, or of none that is known.
  """
  path = folder / _FILE
  if path.is_file() and path.read_text() != _text(about):
    raise ValueError(
      f'{folder}: has results of another tracker or other hyper-parameters; '
      'remove it or name another --out'
    )
  if not path.is_file() and folder.is_dir() and any(folder.iterdir()):
    raise ValueError(
      f'{folder}: has results of an unknown tracker; remove it or name '
      'another --out'
    )


def mark(folder: Path, about: Mapping[str, Any]) -> None:
  """Makes a folder that `check` knows again; to be done before its results."""
  folder.mkdir(parents=True, exist_ok=True)
  if not (folder / _FILE).is_file():
    with replacing(folder / _FILE) as path:
      path.write_text(_text(about))


def _text(about: Mapping[str, Any]) -> str:
  return json.dumps(about, indent=1) + '\n'
