"""JSON file of the results, updated after every row, and tables of the rows."""

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

from acm_jax.host import text_files
from acm_jax.host.staging import replacing
from benchmarks.accelerator_stages.settings import Row, Settings

FILE = 'accelerator.json'
_PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'torch')
# Columns that the tables leave out.
_LEFT_OUT = {'compile_s', 'median_ms', 'rounds'}


class Record:
  """JSON file with the results of one call of `benchmarks.accelerator`."""

  def __init__(self, out: Path, about: Mapping[str, Any]):
    """Writes the file, still without results.

    Args:
      out: Folder of the file.
      about: Further entries to write to the file.

    Raises:
      ValueError: The file exists already.
    """
    self._path = out / FILE
    if self._path.exists():
      raise ValueError(f'{self._path}: already exists; choose another `out`')
    out.mkdir(parents=True, exist_ok=True)
    self._report = {
      'command': sys.argv,
      'started': time.strftime('%Y-%m-%dT%H:%M:%S%z'),
      'host': _host(),
      **about,
      'stages': {},
    }
    self._write()

  def with_earlier(self, settings: Settings) -> Settings:
    """Returns a copy of the settings with the rows recorded so far."""
    stages = self._report['stages']
    earlier = {name: list(stage['rows']) for name, stage in stages.items()}
    return dataclasses.replace(settings, earlier=earlier)

  @contextlib.contextmanager
  def stage(self, name: str, limit: float) -> Iterator[Callable[[Row], None]]:
    """Records a stage, which runs in the `with` block.

    Yields a function that adds a row. After the block, records how the stage
    ended. A RuntimeError or TimeoutError of the stage is recorded and
    suppressed.

    Args:
      name: Name of the stage.
      limit: Time limit of the stage, s.
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
      stopped = isinstance(error, TimeoutError)
      write(status='stopped' if stopped else 'failed', error=str(error))
      print(f'  {stage["status"]}: {error}', flush=True)
    except BaseException:
      write(status='interrupted')
      raise
    else:
      write(status='done')

  def incomplete(self) -> list[str]:
    """Lists the stages that failed or were stopped, as 'NAME: REASON'."""
    return [
      f'{name}: {stage["error"]}'
      for name, stage in self._report['stages'].items()
      if 'error' in stage
    ]

  @property
  def report(self) -> Mapping[str, Any]:
    """Content of the file."""
    return self._report

  def _write(self) -> None:
    with replacing(self._path) as partial:
      text_files.write(partial, json.dumps(self._report, indent=1) + '\n')


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
  """Reads the report of an earlier call.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file is not a report.
  """
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file; give a file {FILE}')
  try:
    report = json.loads(text_files.read(path))
  except json.JSONDecodeError as error:
    raise ValueError(
      f'{path}: not JSON ({error}); give a file {FILE}'
    ) from None
  if not isinstance(report, dict) or 'stages' not in report:
    raise ValueError(f'{path}: contains no stages; give a file {FILE}')
  return report


def tables(report: Mapping[str, Any]) -> str:
  """Formats the rows of all stages as Markdown tables."""
  parts = []
  for name, stage in report['stages'].items():
    parts.append(f'## {name} ({stage["status"]}, {stage["seconds"]} s)')
    if 'error' in stage:
      parts.append(stage['error'])
    for _, rows in itertools.groupby(stage['rows'], list):
      parts.append(_table(list(rows)))
  return '\n\n'.join(parts)


def _table(rows: Sequence[Row]) -> str:
  """Formats rows that have the same columns."""
  names = [name for name in rows[0] if name not in _LEFT_OUT]
  lines = [[_cell(row[name]) for name in names] for row in rows]
  lines = [names, ['---'] * len(names), *lines]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _cell(value: Any) -> str:
  if isinstance(value, float):
    return f'{value:.4g}' if abs(value) < 1e4 else f'{value:,.0f}'
  return '' if value is None else str(value)
