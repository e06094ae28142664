"""Folders of result files, whatever experiment they are of."""

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from acm_jax.datasets.sequences import read_rows
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.runs import lines
from acm_jax.host.staging import replacing

# Ends of the names of files that lie beside results: seconds, confidences.
_NO_BOXES = ('_time', '_times', '_confidence', '_value')


def read_boxes(path: Path) -> Float[np.ndarray, 'n 4']:
  """Boxes of a text file with commas, tabs or spaces between the numbers.

  They keep the pixel base of the file; `sequences.read_boxes` is for files of
  annotations, and 0-based.

  NaN is allowed, as annotations have it where there is no target.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is not four numbers; the message names file and row.
  """
  rows = lines(path)
  with contextlib.suppress(ValueError):
    delimiter = ',' if ',' in rows[0] else None
    boxes = np.loadtxt(rows, delimiter=delimiter, ndmin=2, comments=None)
    # Blank lines, which loadtxt drops, would shift the frames behind them.
    if boxes.shape == (len(rows), 4):
      return boxes
  # Slower, and names the row.
  return np.array(read_rows(path, (4,)))


def find_results(
  folder: Path, root: Path, match: Callable[[str], str | None]
) -> tuple[dict[str, list[Path]], list[str]]:
  """The result files of each sequence that a tracker's folder has.

  One file a run: `<sequence>.txt`, `<sequence>_001.txt` and so on, in `root` or
  in a folder named like the sequence; one that is started at a frame is
  `<sequence>_00000050.txt`. Files of times and confidences are left out.

  Args:
    folder: One tracker's results.
    root: Where they are in it.
    match: Gives the sequence that a name is of, if any.

  Returns:
    Files by sequence, and the names of the text files that are of none.

  Raises:
    OSError: `folder` is not a folder.
    ValueError: There is no result of any of the sequences, or two of one run.
  """
  if not folder.is_dir():
    raise NotADirectoryError(f'{folder}: no such folder of results')
  files = [
    path
    for path in sorted([*root.glob('*.txt'), *root.glob('*/*.txt')])
    if path.parent.name != 'times'
    # Unless a sequence is called so.
    and (match(path.stem) or not path.stem.endswith(_NO_BOXES))
  ]
  if not files and any(root.glob('*/*.bin')):
    raise ValueError(
      f'{folder}: only *.bin; with VOT_RESULTS_BINARY=0 in its environment '
      '`vot evaluate` writes text'
    )
  if not files:
    raise ValueError(f"{folder}: no <sequence>.txt; name one tracker's folder")
  if folder.name == 'baseline' and root == folder:
    raise ValueError(
      f'{folder}: name the folder of the tracker, round baseline/'
    )
  found: dict[str, dict[str, Path]] = {}
  others = []
  for file in files:
    stem, run = re.fullmatch(r'(.+?)(?:_(\d{8}|\d{3}))?', file.stem).groups(
      '001'
    )
    name = match(file.stem) or match(stem)
    if name is None or (
      file.parent != root and match(file.parent.name) != name
    ):
      others.append(str(file.relative_to(root)))
      continue
    runs = found.setdefault(name, {})
    if run in runs:
      raise ValueError(
        f'{file} and {runs[run].relative_to(root)}: both are run {int(run)} of '
        f'{name}'
      )
    runs[run] = file
  if not found:
    below = sorted(
      {f.parent.name for f in files if match(f.stem)} - {root.name}
    )
    reason = f'{files[0].relative_to(root)} is none'
    if len(below) == 1:
      reason = f'there are results in {below[0]}/: name that folder'
    elif below:
      reason = (
        f'there are results in {", ".join(below)}: name one of these, or put '
        'several runs together, as <sequence>_001.txt, <sequence>_002.txt'
      )
    raise ValueError(f'{folder}: no sequence of the benchmark; {reason}')
  return {name: list(runs.values()) for name, runs in found.items()}, others


def write_times(
  folder: Path,
  sequence: str,
  benchmark: Benchmark,
  seconds: Float[np.ndarray, 'n'],
  seconds_with_decode: Float[np.ndarray, 'n'],
) -> None:
  """Writes what each frame took: alone as GOT-10k's toolkit, and decoded.

  The former is `times/<sequence>_time.txt`, or beside the result where each
  sequence has a folder, the latter `times/<sequence>_with_decode.txt`.
  """
  times = folder / 'times'
  alone = folder / sequence if benchmark.folder_each else times
  save(alone / f'{sequence}_time.txt', seconds, '%.8f')
  save(times / f'{sequence}_with_decode.txt', seconds_with_decode, '%.8f')


def write_speed(folder: Path, summary: Mapping[str, Any]) -> None:
  """Writes `times/speed.json`."""
  with replacing(folder / 'times' / 'speed.json') as path:
    path.write_text(json.dumps(summary, indent=1) + '\n')


def save(path: Path, rows: np.ndarray, fmt: str) -> None:
  """Writes rows of numbers with commas between, whole or not at all."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with replacing(path) as temporary:
    np.savetxt(temporary, rows, fmt=fmt, delimiter=',')
