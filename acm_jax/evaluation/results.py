"""Finds, reads and writes result files of any experiment."""

import contextlib
import json
import re
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from acm_jax.datasets.sequences import read_rows
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.runs import lines
from acm_jax.host import listing, text_files
from acm_jax.host.staging import replacing

# A companion of a result file contains times or confidences instead of boxes.
# Its name has one of these endings, or its subfolder has one of these names.
_COMPANION_ENDINGS = ('_time', '_times', '_confidence', '_value')
_COMPANION_FOLDERS = ('times', 'presence')
# Sequence and run of each text file; None if the file matches no sequence.
_Owners = Mapping[Path, tuple[str, str] | None]
# Folders of ground truth; see `annotations.read`.
_ANNOTATIONS = ('annotations', 'absent')


def read_boxes(path: Path) -> Float[np.ndarray, 'n 4']:
  """Reads boxes from a text file with commas, tabs or spaces as separators.

  The boxes keep the coordinates of the file, which may be 1-based, whereas
  `sequences.read_boxes` returns 0-based boxes. NaN is permitted, since
  annotations have NaN in frames without a target.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is not four numbers; the message names the file and
      the row.
  """
  rows = lines(path)
  with contextlib.suppress(ValueError):
    delimiter = ',' if ',' in rows[0] else None
    boxes = np.loadtxt(rows, delimiter=delimiter, ndmin=2, comments=None)
    # loadtxt drops blank lines, so later rows would move to earlier frames.
    if boxes.shape == (len(rows), 4):
      return boxes
  # `read_rows` is slower, but its error names the row.
  return np.array(read_rows(path, (4,)))


def find_results(
  folder: Path, root: Path, match: Callable[[str], str | None]
) -> tuple[dict[str, list[Path]], list[str]]:
  """Finds the result files of each sequence in a tracker's folder.

  Each run has one file: `<sequence>.txt`, `<sequence>_001.txt` and so on, or
  `<sequence>_00000050.txt` if the run starts at frame 50. The files are in
  `root` or in a subfolder named like the sequence. Hidden files are left out,
  and so are files of times and confidences, which are recognised by the result
  file that they belong to: `half_time.txt` is left out if there is `half.txt`
  and no sequence is called half_time.

  Args:
    folder: Folder of one tracker's results.
    root: Folder that contains the files: `folder` or a subfolder of `folder`.
    match: Function from a spelling of a sequence's name to the name itself, or
      to None if no sequence matches.

  Returns:
    A dictionary from sequences to their result files, and a list of the text
    files that match no sequence. The list has paths relative to `root`.

  Raises:
    OSError: `folder` is not a folder.
    ValueError: No sequence has a result, or two files are of the same run.
  """
  if not folder.is_dir():
    raise NotADirectoryError(
      f"{folder}: no such folder; give the folder of one tracker's results"
    )
  texts = sorted([*listing.find(root, '*.txt'), *listing.find(root, '*/*.txt')])
  owners = {path: _run_of(path, root, match) for path in texts}
  scored = {(path.parent, own[0]) for path, own in owners.items() if own}
  files = [
    path
    for path in texts
    if not _is_companion(path, root, match, owners, scored)
  ]
  if not files and listing.find(root, '*/*.bin'):
    raise ValueError(
      f'{folder}: only binary results (*.bin); set VOT_RESULTS_BINARY=0 in the '
      'environment of `vot evaluate` to write text files'
    )
  if not files:
    raise ValueError(f'{folder}: no <sequence>.txt; {_advice(root, match)}')
  if folder.name == 'baseline' and root == folder:
    raise ValueError(
      f'{folder}: give the folder of the tracker, not its subfolder baseline/'
    )
  found: dict[str, dict[str, Path]] = {}
  others = []
  for file in files:
    if owners[file] is None:
      others.append(str(file.relative_to(root)))
      continue
    name, run = owners[file]
    runs = found.setdefault(name, {})
    if run in runs:
      raise ValueError(
        f'{file}: is run {int(run)} of {name}, and so is '
        f'{runs[run].relative_to(root)}; remove one of them'
      )
    runs[run] = file
  if not found:
    raise ValueError(
      f'{folder}: contains no results for sequences of the benchmark; '
      f'{files[0].relative_to(root)}, for example, matches no sequence; '
      f'{_advice(root, match)}'
    )
  return {name: list(runs.values()) for name, runs in found.items()}, others


def _run_of(
  file: Path, root: Path, match: Callable[[str], str | None]
) -> tuple[str, str] | None:
  """Returns the sequence and the run of a result file, or None.

  The name of a sequence may itself end like the number of a run.
  """
  readings = [(file.stem, '001')]
  if numbered := re.fullmatch(r'(.+?)_(\d{8}|\d{3})', file.stem):
    readings.append(numbered.groups())
  for stem, run in readings:
    name = match(stem)
    if name and (file.parent == root or match(file.parent.name) == name):
      return name, run
  return None


def _is_companion(
  file: Path,
  root: Path,
  match: Callable[[str], str | None],
  owners: _Owners,
  scored: Set[tuple[Path, str]],
) -> bool:
  """Returns whether a text file is about a result file instead of being one.

  Args:
    file: Text file.
    root: Folder that contains the results.
    match: Function from a spelling of a sequence's name to the name itself.
    owners: Sequence and run of each text file.
    scored: Folder and sequence of each text file that has a sequence.
  """
  if file.parent != root and file.parent.name in _COMPANION_FOLDERS:
    # A sequence may be called `times`.
    return owners[file] is None or root / file.name in owners
  if owners[file] is not None:
    return False
  for ending in _COMPANION_ENDINGS:
    if file.stem.endswith(ending):
      principal = file.with_name(f'{file.stem.removesuffix(ending)}.txt')
      own = _run_of(principal, root, match)
      return principal in owners or bool(
        own and (file.parent, own[0]) in scored
      )
  return False


def _advice(root: Path, match: Callable[[str], str | None]) -> str:
  """Returns advice for the case that no result of any sequence is found.

  The advice names the folders one and two levels below that have results.
  """
  below = sorted(
    {
      str(path.parent.relative_to(root))
      for pattern in ('*/*.txt', '*/*/*.txt')
      for path in listing.find(root, pattern)
      if match(path.stem)
      and path.parent.name not in (*_COMPANION_FOLDERS, *_ANNOTATIONS)
    }
  )
  if not below:
    return "give the folder of one tracker's results, or check `benchmark`"
  if len(below) == 1:
    return f'{below[0]}/ has results: give that folder'
  return (
    f'{", ".join(below)} have results: give one of these folders, or put '
    'several runs into one folder as <sequence>_001.txt, <sequence>_002.txt'
  )


def write_times(
  folder: Path,
  sequence: str,
  benchmark: Benchmark,
  seconds: Float[np.ndarray, 'n'],
  seconds_with_decode: Float[np.ndarray, 'n'],
) -> None:
  """Writes each frame's seconds, without and with the decoding of the image.

  Times without decoding go to `times/<sequence>_time.txt`. If each sequence has
  its own folder of results, they go to `<sequence>/<sequence>_time.txt`, where
  GOT-10k's toolkit expects them. Times with decoding go to
  `times/<sequence>_with_decode.txt`.
  """
  times = folder / 'times'
  official = folder / sequence if benchmark.folder_each else times
  save(official / f'{sequence}_time.txt', seconds, '%.8f')
  save(times / f'{sequence}_with_decode.txt', seconds_with_decode, '%.8f')


def write_speed(folder: Path, summary: Mapping[str, Any]) -> None:
  """Writes a summary of the speed to `times/speed.json`."""
  with replacing(folder / 'times' / 'speed.json') as path:
    text_files.write(path, json.dumps(summary, indent=1) + '\n')


def save(path: Path, rows: np.ndarray, fmt: str | Sequence[str]) -> None:
  """Writes comma-separated rows of numbers, atomically.

  Args:
    path: File to write.
    rows: Numbers of each row.
    fmt: Format of the numbers, such as '%.4f', or the format of each column.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  with replacing(path) as temporary:
    np.savetxt(temporary, rows, fmt=fmt, delimiter=',')
