"""Archives of results for benchmarks that only a server can score.

An archive for GOT-10k has one folder per sequence, which contains a file of
boxes and a file of seconds per frame. An archive for TrackingNet has one file
of boxes per sequence. No other folder encloses these folders or files.
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
  """Packs a tracker's results into an archive for the benchmark's server.

  Args:
    folder: Folder of the tracker's results, written by `running.evaluate.run`.
    benchmark: Benchmark of the results.
    path: Path of the archive.

  Returns:
    Summary for the user, with the number of missing sequences. The archive is
    written even if sequences are missing, but the server refuses such archives.

  Raises:
    ValueError: A result does not have the form that the server expects.
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
  remark = (
    f'; {missing} are missing, so the server will refuse the archive'
    if missing
    else ''
  )
  return f'{path}: {len(names)} sequences{remark}'


def check(
  path: Path,
  benchmark: Benchmark,
  only: list[str] | None = None,
  named: Path | None = None,
  frames: Mapping[str, int] = MappingProxyType({}),
) -> str:
  """Checks that an archive has the form that the benchmark's server reads.

  The archive may have been written by any tool.

  Args:
    path: Path of the archive.
    benchmark: Benchmark of the results.
    only: Names of the sequences that the archive must have (default: all).
    named: Path that messages show for the archive (default: `path`).
    frames: Number of frames of each sequence. Each file of a sequence must have
      one row per frame. If the number of frames of a sequence is not given, the
      files of that sequence need only agree in their number of rows.

  Returns:
    Summary for the user.

  Raises:
    FileNotFoundError: The archive is missing.
    ValueError: The benchmark has no server, `path` is not an archive, or a file
      in the archive is missing, superfluous or malformed. The message names the
      file in the archive and, if a row is malformed, the row.
  """
  if not benchmark.hidden:
    raise ValueError(
      f'{benchmark.name}: no server scores this benchmark; choose got10k_test '
      'or trackingnet'
    )
  named = named or path
  if not path.is_file():
    raise FileNotFoundError(
      f'{named}: no such file; give the path of the archive'
    )
  names = benchmark.sequences if only is None else only
  wanted = {member for name in names for member in _members(name, benchmark)}
  try:
    with zipfile.ZipFile(path) as archive:
      members = [m for m in archive.namelist() if not m.endswith('/')]
      _check_names(set(members), wanted, named)
      lengths = {
        member: _check_rows(archive.read(member), f'{named}: {member}')
        for member in sorted(members)
      }
  except zipfile.BadZipFile as error:
    raise ValueError(f'{named}: not a zip archive ({error})') from None
  for name in names:
    boxes, *_ = _members(name, benchmark)
    known = frames.get(name, lengths[boxes])
    prefix = f'{name}/' if benchmark.folder_each else boxes
    for member, rows in lengths.items():
      if member.startswith(prefix) and rows != known:
        reference = (
          f'the sequence has {known} frames'
          if name in frames
          else f'{boxes} has {known}'
        )
        raise ValueError(
          f'{named}: {member}: {rows} rows, but {reference}; write one row per '
          'frame'
        )
    if known < 2:
      raise ValueError(f'{named}: {boxes}: only 1 row; write one per frame')
  return f'{named}: {len(names)} sequences of {benchmark.name}, all well formed'


def _members(name: str, benchmark: Benchmark) -> list[str]:
  """Returns the names of a sequence's files in an archive, boxes first."""
  if benchmark.folder_each:
    return [f'{name}/{name}_001.txt', f'{name}/{name}_time.txt']
  return [f'{name}.txt']


def _check_names(members: set[str], wanted: set[str], named: Path) -> None:
  hint = (
    'the archive must have exactly the result files of all sequences, without '
    'an enclosing folder and with names spelled as in the official list'
  )
  if missing := wanted - members:
    raise ValueError(f'{named}: {min(missing)} is missing; {hint}')
  for name in sorted(members):
    # GOT-10k permits several runs of a sequence.
    if re.sub(r'_\d{3}\.txt$', '_001.txt', name) not in wanted:
      raise ValueError(f'{named}: {name} is not a result of a sequence; {hint}')


def _check_rows(data: bytes, where: str) -> int:
  """Checks the rows of a file of boxes or times; returns their number."""
  timed = where.endswith('_time.txt')
  rows = data.decode('utf-8', 'replace').rstrip('\n').splitlines()
  for number, line in enumerate(rows, 1):
    try:
      row = np.array(line.split(','), float)
    except ValueError:
      row = np.zeros(0)
    expected = None
    if timed and not len(row):
      expected = 'a number'
    elif not timed and len(row) != 4:
      expected = 'four numbers with commas between them'
    elif not np.isfinite(row).all():
      expected = 'finite'
    elif not timed and (row[2:] <= 0).any():
      expected = 'a box with an area'
    if expected:
      raise ValueError(f'{where} row {number}: {line!r} is not {expected}')
  if not rows:
    raise ValueError(f'{where}: empty; write one row per frame')
  return len(rows)
