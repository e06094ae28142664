"""Runs of a tracker, and the text files of the VOT challenge for them.

A row a frame: x,y,w,h, the corners of a polygon, or a code that says what
happened instead.
"""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from acm_jax.datasets.sequences import read_text
from acm_jax.host.staging import replacing

# Codes of files; any other row is a region.
SKIPPED, INITIALISED, FAILED = 0, 1, 2
TRACKED = -1


class Run(NamedTuple):
  """What a tracker gave from a start on.

  Attributes:
    region: In each frame x, y, w, h or the corners of a polygon, px; empty
      where there is none, as where the tracker was given the target. An array
      [n, 4] where all are boxes.
    event: TRACKED, or what else happened in each frame.
    confidence: That it is the target; NaN where none is given. None if the
      experiment asks for none.
    start: Number of the first frame.
    step: 1 forward, -1 backward.
    first_pixel: Coordinate of the first pixel in `region`; 0 unless the run was
      read from a file of a benchmark that counts from 1.
  """

  region: Float[np.ndarray, 'n 4'] | Sequence[np.ndarray]
  event: Int[np.ndarray, 'n']
  confidence: Float[np.ndarray, 'n'] | None = None
  start: int = 0
  step: int = 1
  first_pixel: int = 0

  def boxes(self, frames: int) -> Float[np.ndarray, '{frames} 4']:
    """The box in each frame of the sequence, px, 0-based; NaN where none is."""
    found = np.full((frames, 4), np.nan)
    for number, region in enumerate(self.region[:frames]):
      if len(region) == 4:
        found[self.start + self.step * number] = region
    found[:, :2] -= self.first_pixel
    return found


def unbroken(
  region: Sequence[np.ndarray],
  confidence: Float[np.ndarray, 'n'] | None = None,
  start: int = 0,
  step: int = 1,
) -> Run:
  """Makes a run without a failure; its first region means nothing."""
  event = np.full(len(region), TRACKED)
  event[0] = INITIALISED
  rest = tuple(np.asarray(each, np.float64) for each in region[1:])
  return Run((np.zeros(0), *rest), event, confidence, start, step)


def boxes_alone(
  boxes_xywh: Float[np.ndarray, 'n 4'] | Sequence[np.ndarray],
  first_pixel: int = 0,
) -> Run:
  """Makes a run of a box a frame, the one that was given first included."""
  boxes_xywh = np.asarray(boxes_xywh, np.float64)
  event = np.full(len(boxes_xywh), TRACKED)
  return Run(boxes_xywh, event, first_pixel=first_pixel)


def read_run(
  path: Path,
  codes: Sequence[int],
  frames: int,
  which: str = 'annotated frames',
) -> Run:
  """Reads one run.

  Args:
    path: The file.
    codes: Codes that it may have.
    frames: How many rows it has.
    which: What these frames are, for messages.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is something else, cannot follow the one before, or there
      are more or fewer rows than frames; the message names file and row.
  """
  rows = [_row(path, n, line, codes) for n, line in enumerate(lines(path), 1)]
  if len(rows) != frames:
    raise ValueError(
      f'{path}: {len(rows)} rows for {frames} {which}; a run must be whole'
    )
  events = [int(row[0]) if len(row) == 1 else TRACKED for row in rows]
  # Where there are no failures, 0 is a frame in which nothing was found.
  _check_order(path, events) if FAILED in codes else _check_one(path, events)
  if events[0] != INITIALISED:
    raise ValueError(f'{path} row 1: not 1, a start')
  region = tuple(np.zeros(0) if len(row) == 1 else row for row in rows)
  return Run(region, np.array(events))


def _row(path, number, line, codes):
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
  return row


# Of a row that cannot follow the one before.
_MISPLACED = {
  SKIPPED: '0, a frame that is skipped, only after 2, a failure',
  INITIALISED: '1, a start, only at first and after 2, a failure',
  FAILED: '2, a failure, only where the tracker was started, by 1',
  TRACKED: 'a region, only where the tracker was started, by 1',
}


def _check_order(path, events):
  pairs = itertools.pairwise([SKIPPED, *events])
  for number, (before, event) in enumerate(pairs, 1):
    if (before in (SKIPPED, FAILED)) != (event in (SKIPPED, INITIALISED)):
      raise ValueError(f'{path} row {number}: {_MISPLACED[event]}')


def _check_one(path, events):
  if INITIALISED in events[1:]:
    number = events.index(INITIALISED, 1) + 1
    raise ValueError(f'{path} row {number}: 1, a start, only at first')


def names_anchors(root: Path) -> bool:
  """Whether names of result files below a folder end in a frame."""
  files = root.glob('*/*.txt')
  return any(re.search(r'_\d{8}$', file.stem) for file in files)


def write_run(path: Path, run: Run) -> None:
  """Writes a run as `read_run` reads it."""
  rows = [
    ','.join(f'{value:.4f}' for value in region)
    if event == TRACKED and len(region)
    else str(max(event, SKIPPED))
    for region, event in zip(run.region, run.event, strict=True)
  ]
  path.parent.mkdir(parents=True, exist_ok=True)
  with replacing(path) as temporary:
    temporary.write_text('\n'.join(rows) + '\n')


def read_confidence(path: Path) -> Float[np.ndarray, 'n']:
  """Reads a number a row; NaN where a row is empty.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is something else; the message names file and row.
  """
  if not path.is_file():
    raise FileNotFoundError(
      f'{path}: no such file; the confidence of each frame'
    )
  values = []
  for number, line in enumerate(read_text(path).splitlines(), 1):
    try:
      values.append(float(line) if line.strip() else np.nan)
    except ValueError:
      raise ValueError(f'{path} row {number}: {line!r} is no number') from None
  return np.array(values)


def write_confidence(path: Path, values: Float[np.ndarray, 'n']) -> None:
  """Writes confidences as `read_confidence` reads them."""
  rows = ['' if np.isnan(value) else f'{value:.9f}' for value in values]
  with replacing(path) as temporary:
    temporary.write_text('\n'.join(rows) + '\n')


def lines(path: Path) -> list[str]:
  """The rows of a result file.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: It is empty, or no text.
  """
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file')
  found = read_text(path).rstrip().splitlines()
  if not found:
    raise ValueError(f'{path}: empty; a row is wanted for each frame')
  return found
