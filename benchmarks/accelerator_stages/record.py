"""The results: one JSON file that is whole after every row, and tables."""

import contextlib
import dataclasses
import importlib.metadata
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from acm_jax.host.staging import replacing
from benchmarks.accelerator_stages.settings import Row, Settings

FILE = 'accelerator.json'
_PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'torch')
# Columns that the tables leave out.
_LEFT_OUT = {'compile_s', 'median_ms', 'rounds'}


class Record:
  """The file of results of one call."""

  def __init__(self, folder: Path, about: Mapping[str, Any]):
    """Begins the file.

    Args:
      folder: Where it is written.
      about: What was asked for.

    Raises:
      ValueError: There are results already.
    """
    self._path = folder / FILE
    if self._path.exists():
      raise ValueError(f'{self._path} is there already: name another --out')
    folder.mkdir(parents=True, exist_ok=True)
    self._report = {
      'command': sys.argv,
      'started': time.strftime('%Y-%m-%dT%H:%M:%S%z'),
      'host': _host(),
      **about,
      'stages': {},
    }
    self._write()

  def given(self, settings: Settings) -> Settings:
    """The settings with the rows that there are."""
    stages = self._report['stages']
    earlier = {name: list(stage['rows']) for name, stage in stages.items()}
    return dataclasses.replace(settings, earlier=earlier)

  @contextlib.contextmanager
  def stage(self, name: str, limit: float) -> Iterator[Callable[[Row], None]]:
    """Gives a function that adds a row; notes how the stage ends.

    A RuntimeError or TimeoutError inside is noted and goes no further.
    """
    print(f'stage {name}, at most {limit:.0f} s', flush=True)
    begun = time.monotonic()
    stage = {'status': 'running', 'limit_s': limit, 'seconds': 0.0, 'rows': []}
    self._report['stages'][name] = stage

    def write(**changes):
      seconds = round(time.monotonic() - begun, 1)
      stage.update(seconds=seconds, **changes)
      self._write()

    def add(row):
      stage['rows'].append(row)
      print(f'  {json.dumps(row)}', flush=True)
      write()

    write()
    try:
      yield add
    except (RuntimeError, TimeoutError) as error:
      late = isinstance(error, TimeoutError)
      write(status='stopped' if late else 'failed', error=str(error))
      print(f'  {stage["status"]}: {error}', flush=True)
    except BaseException:
      write(status='interrupted')
      raise
    else:
      write(status='done')

  def incomplete(self) -> list[str]:
    """Stages that failed or were stopped, each with the reason."""
    return [
      f'{name}: {stage["error"]}'
      for name, stage in self._report['stages'].items()
      if 'error' in stage
    ]

  @property
  def report(self) -> Mapping[str, Any]:
    """What the file holds."""
    return self._report

  def _write(self) -> None:
    with replacing(self._path) as partial:
      partial.write_text(json.dumps(self._report, indent=1) + '\n')


def _host() -> dict[str, Any]:
  versions = {}
  for name in _PACKAGES:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
      versions[name] = importlib.metadata.version(name)
  return {
    'system': platform.platform(),
    'python': platform.python_version(),
    'cores': len(os.sched_getaffinity(0)),
    'packages': versions,
  }


def read(path: Path) -> dict[str, Any]:
  """The report of an earlier call.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: It is no report.
  """
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file; name an {FILE}')
  try:
    report = json.loads(path.read_text())
  except json.JSONDecodeError as error:
    raise ValueError(f'{path}: not JSON ({error})') from None
  if not isinstance(report, dict) or 'stages' not in report:
    raise ValueError(f'{path}: no stages in it; name an {FILE}')
  return report


def tables(report: Mapping[str, Any]) -> str:
  """The rows of all stages as Markdown."""
  parts = []
  for name, stage in report['stages'].items():
    parts.append(f'## {name} ({stage["status"]}, {stage["seconds"]} s)')
    if 'error' in stage:
      parts.append(stage['error'])
    for _, rows in itertools.groupby(stage['rows'], list):
      parts.append(_table(list(rows)))
  return '\n\n'.join(parts)


def _table(rows: Sequence[Row]) -> str:
  """Rows of the same columns."""
  names = [name for name in rows[0] if name not in _LEFT_OUT]
  lines = [[_cell(row[name]) for name in names] for row in rows]
  lines = [names, ['---'] * len(names), *lines]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _cell(value: Any) -> str:
  if isinstance(value, float):
    return f'{value:.4g}' if abs(value) < 1e4 else f'{value:,.0f}'
  return '' if value is None else str(value)
