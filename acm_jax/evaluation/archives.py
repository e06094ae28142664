"""Archives of results for the servers that alone have the annotations.

GOT-10k's has a folder for each sequence with its boxes and times, TrackingNet's
a file for each sequence, both without a folder round them.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiments.one_pass import result_path
from acm_jax.host.staging import replacing


def write(folder: Path, benchmark: Benchmark, path: Path) -> str:
  """Packs a tracker's results for the server.

  Args:
    folder: Its results, as `run` writes them.
    benchmark: What they are results of.
    path: The archive.

  Returns:
    What was done, for the user.

  Raises:
    ValueError: A result is not as the server wants it. Only sequences that are
      missing are allowed, and told, for the server will refuse them.
  """
  names = [
    name
    for name in benchmark.sequences
    if result_path(folder, name, benchmark).is_file()
  ]
  path.parent.mkdir(parents=True, exist_ok=True)
  with replacing(path) as temporary:
    with zipfile.ZipFile(temporary, 'w', zipfile.ZIP_DEFLATED) as archive:
      for name in names:
        for member in _members(name, benchmark):
          archive.write(folder / member, member)
    check(temporary, benchmark, only=names, named=path)
  missing = len(benchmark.sequences) - len(names)
  note = f'; {missing} are missing, which the server refuses' if missing else ''
  return f'{path}: {len(names)} sequences{note}'


def check(
  path: Path,
  benchmark: Benchmark,
  only: list[str] | None = None,
  named: Path | None = None,
  frames: Mapping[str, int] = MappingProxyType({}),
) -> str:
  """Makes sure that a server can read an archive.

  Args:
    path: The archive, of whatever tool.
    benchmark: What it has the results of.
    only: Sequences that must be there; all by default.
    named: What it is called in messages.
    frames: How many the sequences have, where that is known.

  Returns:
    What was found, for the user.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: It is none for a server, no archive, or something in it is
      missing, superfluous or malformed; the message names file and row.
  """
  if not benchmark.hidden:
    raise ValueError(
      f'{benchmark.name}: no server scores it; there are got10k_test and '
      'trackingnet'
    )
  named = named or path
  if not path.is_file():
    raise FileNotFoundError(f'{named}: no such archive')
  names = benchmark.sequences if only is None else only
  wanted = {m for name in names for m in _members(name, benchmark)}
  try:
    with zipfile.ZipFile(path) as archive:
      members = [m for m in archive.namelist() if not m.endswith('/')]
      _check_names(set(members), wanted, named)
      lengths = {
        member: _check_rows(archive.read(member), f'{named}: {member}')
        for member in sorted(members)
      }
  except zipfile.BadZipFile as error:
    raise ValueError(f'{named}: no zip archive ({error})') from None
  for name in names:
    first = _members(name, benchmark)[0]
    known = frames.get(name, lengths[first])
    own = f'{name}/' if benchmark.folder_each else first
    for member, rows in lengths.items():
      if member.startswith(own) and rows != known:
        what = (
          f'the sequence has {known} frames'
          if name in frames
          else f'{first} has {known}'
        )
        raise ValueError(f'{named}: {member}: {rows} rows, but {what}')
    if known < 2:
      raise ValueError(f'{named}: {first}: 1 row; one is wanted for each frame')
  return f'{named}: {len(names)} sequences of {benchmark.name}, all well formed'


def _members(name: str, benchmark: Benchmark) -> list[str]:
  if benchmark.folder_each:
    return [f'{name}/{name}_001.txt', f'{name}/{name}_time.txt']
  return [f'{name}.txt']


def _check_names(members: set[str], wanted: set[str], named: Path) -> None:
  # GOT-10k allows further runs.
  runs = {re.sub(r'_\d{3}\.txt$', '_001.txt', member) for member in members}
  for kind, names in (('missing', wanted - members), ('none', runs - wanted)):
    if names:
      first = min(names)
      told = (
        f'{first} is missing' if kind == 'missing' else f'{first} is no file'
      )
      raise ValueError(
        f'{named}: {told} of the benchmark; the names must be at the top of '
        'the archive and as in the official list'
      )


def _check_rows(data: bytes, where: str) -> int:
  columns = 1 if where.endswith('_time.txt') else 4
  rows = data.decode('utf-8', 'replace').rstrip('\n').splitlines()
  for number, line in enumerate(rows, 1):
    try:
      row = np.array(line.split(','), float)
    except ValueError:
      row = np.zeros(0)
    if len(row) < columns or (columns == 4 and len(row) != 4):
      raise ValueError(
        f'{where} row {number}: {line!r} is not {columns} numbers with commas'
      )
    if not np.isfinite(row).all() or (columns == 4 and (row[2:] <= 0).any()):
      raise ValueError(
        f'{where} row {number}: {line!r} is no box with an area'
        if columns == 4
        else f'{where} row {number}: {line!r} is no time'
      )
  if not rows:
    raise ValueError(f'{where}: empty')
  return len(rows)
