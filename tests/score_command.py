"""Runs the score command in tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from acm_jax import score
from acm_jax.host import command

TABLES = {'table.md', 'table.tex', 'table.csv', 'sequences.csv'}


def run(
  folder: Path,
  trackers: Sequence[str] = ('perfect', 'stays'),
  flags: Mapping[str, Any] = MappingProxyType({}),
) -> int:
  """Scores trackers on the annotations in truth.json; returns the exit code.

  Args:
    folder: Folder with truth.json and the folders of results. The scores are
      written to the subfolder `out`.
    trackers: Names of the trackers.
    flags: Values of flags, by name, that replace or add to the defaults.
  """
  values = {
    'benchmark': 'folder',
    'annotations': folder / 'truth.json',
    'out': folder / 'out',
    **flags,
  }
  argv = ['score', *(f'--{name}={value}' for name, value in values.items())]
  argv += [f'--results={folder / tracker}' for tracker in trackers]
  return command.run(score.define, score.main, score.__doc__, argv)


def content(folder: Path) -> dict[str, Any]:
  """Returns the content of scores.json."""
  return json.loads((folder / 'out' / 'scores.json').read_text())
