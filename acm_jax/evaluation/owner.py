"""Records in a folder of results which tracker the results are from.

Folders with results of another tracker are refused.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acm_jax.host import listing, text_files
from acm_jax.host.staging import replacing

_FILE = 'tracker.json'


def check(folder: Path, about: Mapping[str, Any]) -> None:
  """Checks that a folder has no results of another tracker.

  Args:
    folder: Folder of results; may be missing.
    about: Description that identifies the tracker, with JSON values.

  Raises:
    ValueError: The folder has results of another tracker, or has files but no
      stored description. In the first case, the message lists the names of the
      values in which the trackers differ.
  """
  path = folder / _FILE
  if path.is_file():
    if differ := _differences(path, about):
      raise ValueError(
        f'{folder}: has results of another tracker (different in {_FILE}: '
        f'{", ".join(differ)}); remove the folder or choose another `out`'
      )
  elif folder.is_dir() and listing.find(folder, '*'):
    raise ValueError(
      f'{folder}: has files but no {_FILE}, so the files may be results of '
      'another tracker; remove the folder or choose another `out`'
    )


def mark(folder: Path, about: Mapping[str, Any]) -> None:
  """Stores the description of a tracker in the folder of its results.

  Must be called before results are written. Creates the folder if it is missing
  and keeps a description that is already stored.

  Args:
    folder: Folder of results.
    about: Description that identifies the tracker, with JSON values.
  """
  folder.mkdir(parents=True, exist_ok=True)
  if not (folder / _FILE).is_file():
    with replacing(folder / _FILE) as path:
      text_files.write(path, json.dumps(about, indent=1) + '\n')


def _differences(path: Path, about: Mapping[str, Any]) -> list[str]:
  """Returns the names of the values in which the file and `about` differ."""
  try:
    before = dict(json.loads(text_files.read(path)))
  except (ValueError, TypeError):
    return ['all values']
  after = json.loads(json.dumps(about))
  return [
    name
    for name in dict.fromkeys((*before, *after))
    if before.get(name) != after.get(name)
  ]
