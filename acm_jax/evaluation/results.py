"""Official result files: `<tracker>/<sequence>.txt`, a row x,y,w,h a frame.

Boxes are read as the file has them, in the benchmark's own pixel base, for
that is how they are scored.
"""

import contextlib
import itertools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from acm_jax.evaluation import anchors, long_term
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.reset import (
  FAILED,
  INITIALISED,
  SKIPPED,
  TRACKED,
  Run,
)
from data_pipelines.sequences import Sequence, read_rows, read_text
from data_pipelines.staging import replacing

# Ends of the names of files that lie beside results: seconds, confidences.
_NO_BOXES = ('_time', '_times', '_confidence', '_value')


# Of a row that cannot follow the one before.
_MISPLACED = {
  SKIPPED: '0, a frame that is skipped, only after 2, a failure',
  INITIALISED: '1, a start, only at first and after 2, a failure',
  FAILED: '2, a failure, only where the tracker was started, by 1',
  TRACKED: 'a region, only where the tracker was started, by 1',
}


def read_boxes(path: Path) -> Float[np.ndarray, 'n 4']:
  """Boxes of a text file with commas, tabs or spaces between the numbers.

  NaN is allowed, as annotations have it where there is no target.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is not four numbers; the message names file and row.
  """
  lines = _lines(path)
  with contextlib.suppress(ValueError):
    delimiter = ',' if ',' in lines[0] else None
    boxes = np.loadtxt(lines, delimiter=delimiter, ndmin=2, comments=None)
    # Blank lines, which loadtxt drops, would shift the frames behind them.
    if boxes.shape == (len(lines), 4):
      return boxes
  # Slower, and names the row.
  return np.array(read_rows(path, (4,)))


def _lines(path: Path) -> list[str]:
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file')
  lines = read_text(path).rstrip().splitlines()
  if not lines:
    raise ValueError(f'{path}: empty; a row is wanted for each frame')
  return lines


def read_result(
  path: Path, frames: int, cut: bool = False
) -> tuple[Float[np.ndarray, '{frames} 4'], int]:
  """One result, with rows of NaN for the frames that it ends before.

  Args:
    path: The result file.
    frames: Length of the sequence's annotation.
    cut: Whether rows behind that are left out rather than refused.

  Returns:
    A box for each frame, and how many rows the file has.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is not four finite numbers, or there are more rows than
      frames; the message names file and row.
  """
  boxes = read_boxes(path)
  bad = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
  if len(bad):
    raise ValueError(
      f'{path} row {bad[0] + 1}: a box must be finite numbers; where a tracker '
      'has none, give the one before'
    )
  rows = len(boxes)
  if rows > frames and not cut:
    raise ValueError(
      f'{path}: {rows} rows for {frames} annotated frames: is it a result of '
      'these annotations, and are they whole?'
    )
  padding = np.full((max(frames - rows, 0), 4), np.nan)
  return np.concatenate([boxes[:frames], padding]), rows


def find_results(
  folder: Path, match: Callable[[str], str | None]
) -> tuple[dict[str, list[Path]], list[str]]:
  """The result files of each sequence that a tracker's folder has.

  One file a run: `<sequence>.txt`, `<sequence>_001.txt` and so on, in the
  folder, in one named like the sequence, or below `baseline/` or `longterm/`,
  where VOT has them; one that is started at a frame is `<sequence>_00000050`.
  Files of times are not looked at.

  Args:
    folder: One tracker's results.
    match: Gives the sequence that a name is of, if any.

  Returns:
    Files by sequence, and the names of the text files that are of none.

  Raises:
    OSError: `folder` is not a folder.
    ValueError: There is no result of any of the sequences, or two of one run.
  """
  if not folder.is_dir():
    raise NotADirectoryError(f'{folder}: no such folder of results')
  root = folder / _PLACES[experiment(folder)]
  files = [
    path
    for path in sorted([*root.glob('*.txt'), *root.glob('*/*.txt')])
    if path.parent.name != 'times' and not path.stem.endswith(_NO_BOXES)
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


# Where results of an experiment are below the folder of a tracker.
_PLACES = {
  'one_pass': '.',
  'reset': 'baseline',
  'anchors': 'baseline',
  'long_term': 'longterm',
}


def experiment(folder: Path) -> str:
  """What a tracker's results are of; see `benchmarks.Benchmark`."""
  if (folder / 'baseline').is_dir():
    files = folder.glob('baseline/*/*.txt')
    anchored = any(re.search(r'_\d{8}$', file.stem) for file in files)
    return 'anchors' if anchored else 'reset'
  return 'long_term' if (folder / 'longterm').is_dir() else 'one_pass'


def read_run(path: Path, frames: int) -> Run:
  """One run of the reset protocol.

  Args:
    path: The result file: a row a frame, 1 a start, 2 a failure, 0 a frame
      that was skipped, else four numbers or the corners of a polygon.
    frames: Length of the sequence's annotation.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is something else, or there are more or fewer rows than
      frames; the message names file and row.
  """
  rows = _read_regions(path, (SKIPPED, INITIALISED, FAILED))
  if len(rows) != frames:
    raise ValueError(
      f'{path}: {len(rows)} rows for {frames} annotated frames; a run must be '
      'whole'
    )
  events = [int(row[0]) if len(row) == 1 else TRACKED for row in rows]
  for number, (before, event) in enumerate(
    itertools.pairwise([SKIPPED, *events]), 1
  ):
    if (before in (SKIPPED, FAILED)) != (event in (SKIPPED, INITIALISED)):
      raise ValueError(f'{path} row {number}: {_MISPLACED[event]}')
  if events[0] != INITIALISED:
    raise ValueError(f'{path} row 1: not 1, a start')
  return Run(np.array(events), _without_codes(rows))


def read_anchored(
  path: Path, frames: int, steps: Mapping[int, int]
) -> anchors.Run:
  """A run from an anchor, whose frame the name of the file ends in.

  Args:
    path: The result file: 1, then a region a frame to the last or the first
      frame, or 0 where there is none.
    frames: Length of the sequence's annotation.
    steps: Its anchors and, 1 or -1, the direction from each.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is something else, there are more or fewer rows than
      frames, or it is no anchor; the message names file and row.
  """
  digits = re.search(r'_(\d{8})$', path.stem)
  anchor = int(digits[1]) if digits else None
  if anchor not in steps:
    listed = ', '.join(f'_{frame:08d}' for frame in steps)
    raise ValueError(
      f'{path}: its name must end in the frame of an anchor of the sequence: '
      f'{listed}'
    )
  forward = steps[anchor] > 0
  rows = _read_regions(path, (SKIPPED, INITIALISED))
  wanted = frames - anchor if forward else anchor + 1
  if len(rows) != wanted:
    raise ValueError(
      f'{path}: {len(rows)} rows; from frame {anchor} of {frames} on there are '
      f'{wanted} {"forward" if forward else "backward"}'
    )
  _check_begun(path, rows)
  return anchors.Run(anchor, steps[anchor], _without_codes(rows))


def read_confident(path: Path, frames: int) -> long_term.Result:
  """A run of the long-term protocol with its confidences.

  Args:
    path: The result file: 1, then a region a frame, or 0 where there is none.
      `<its name>_confidence.value` beside it has a row a frame, the first one
      empty.
    frames: Length of the sequence's annotation.

  Raises:
    OSError: A file cannot be read.
    ValueError: A row is something else, or there are more or fewer rows than
      frames; the message names file and row.
  """
  rows = _read_regions(path, (SKIPPED, INITIALISED))
  _check_begun(path, rows)
  file = path.with_name(f'{path.stem}_confidence.value')
  if not file.is_file():
    raise FileNotFoundError(
      f'{file}: no such file; the confidence of each frame'
    )
  confidences = []
  for number, line in enumerate(read_text(file).splitlines(), 1):
    try:
      confidences.append(float(line) if line.strip() else np.nan)
    except ValueError:
      raise ValueError(f'{file} row {number}: {line!r} is no number') from None
  for name, count in ((path, len(rows)), (file, len(confidences))):
    if count != frames:
      raise ValueError(f'{name}: {count} rows for {frames} annotated frames')
  return long_term.Result(_without_codes(rows), np.array(confidences))


def _read_regions(path: Path, codes: tuple[int, ...]) -> list[np.ndarray]:
  """Rows of regions and codes; a code is an array of one number."""
  rows = []
  for number, line in enumerate(_lines(path), 1):
    try:
      row = np.array(re.split(r'[,\s]+', line.strip()), np.float64)
    except ValueError:
      row = np.zeros(0)
    event = len(row) == 1 and row[0] in codes
    region = len(row) == 4 or (len(row) >= 6 and len(row) % 2 == 0)
    if not (event or (region and np.isfinite(row).all())):
      raise ValueError(
        f'{path} row {number}: {line.strip()!r} is neither '
        f'{", ".join(map(str, codes))} nor a region'
      )
    rows.append(row)
  return rows


def _check_begun(path: Path, rows: list[np.ndarray]) -> None:
  for number, row in enumerate(rows, 1):
    start = row.tolist() == [INITIALISED]
    if number == 1 and not start:
      raise ValueError(f'{path} row 1: not 1, a start')
    if start and number > 1:
      raise ValueError(f'{path} row {number}: 1, a start, only at first')


def _without_codes(rows: list[np.ndarray]) -> tuple[np.ndarray, ...]:
  return tuple(np.zeros(0) if len(row) == 1 else row for row in rows)


def write_result(
  folder: Path,
  sequence: str,
  box_xywh: Num[np.ndarray, 'n 4'],
  benchmark: Benchmark,
) -> Path:
  """Writes a result in the form of the benchmark's toolkit; returns its path.

  Args:
    folder: One tracker's results; made where it is missing.
    sequence: Name of the sequence.
    box_xywh: A box a frame, px, 0-based.
    benchmark: Its pixel base is added.
  """
  corner = box_xywh[:, :2] + benchmark.first_pixel
  rows = np.concatenate([corner, box_xywh[:, 2:]], axis=1)
  path = result_path(folder, sequence, benchmark)
  _save(path, rows, f'%.{benchmark.decimals}f')
  return path


def write_run(folder: Path, sequence: str, run: Run) -> Path:
  """Writes a run of the reset protocol as `read_run` reads it."""
  path = folder / 'baseline' / sequence / f'{sequence}_001.txt'
  lines = [
    ','.join(f'{value:.4f}' for value in region)
    if event == TRACKED
    else str(event)
    for event, region in zip(*run, strict=True)
  ]
  path.parent.mkdir(parents=True, exist_ok=True)
  with replacing(path) as temporary:
    temporary.write_text('\n'.join(lines) + '\n')
  return path


def boxes_of(path: Path, benchmark: Benchmark) -> Float[np.ndarray, 'n 4']:
  """The boxes of a result that we wrote, px, 0-based; NaN where none is."""
  if benchmark.experiment == 'reset':
    run = read_run(path, len(_lines(path)))
    none = np.full(4, np.nan)
    return np.stack([r if len(r) else none for r in run.region])
  boxes = read_boxes(path)
  boxes[:, :2] -= benchmark.first_pixel
  return boxes


def result_path(folder: Path, sequence: str, benchmark: Benchmark) -> Path:
  """The file of a sequence's only run among a tracker's results."""
  if benchmark.experiment == 'reset':
    return folder / 'baseline' / sequence / f'{sequence}_001.txt'
  if benchmark.folder_each:
    return folder / sequence / f'{sequence}_001.txt'
  return folder / f'{sequence}.txt'


def is_done(folder: Path, sequence: Sequence, benchmark: Benchmark) -> bool:
  """Whether a result of all frames of a sequence is there."""
  path = result_path(folder, sequence.name, benchmark)
  rows = path.read_text().splitlines() if path.is_file() else []
  return len(rows) == len(sequence)


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
  _save(alone / f'{sequence}_time.txt', seconds, '%.8f')
  _save(times / f'{sequence}_with_decode.txt', seconds_with_decode, '%.8f')


def write_speed(folder: Path, summary: Mapping[str, Any]) -> None:
  """Writes `times/speed.json`."""
  with replacing(folder / 'times' / 'speed.json') as path:
    path.write_text(json.dumps(summary, indent=1) + '\n')


def _save(path: Path, rows: np.ndarray, fmt: str) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  with replacing(path) as temporary:
    np.savetxt(temporary, rows, fmt=fmt, delimiter=',')
