"""Runs of a tracker, and the VOT challenge's text files of runs.

A file has a row per frame: a box x,y,w,h, the corners of a polygon, or a code
for a frame without a region. A box or polygon of NaN means that the tracker
found no region, as in vot-toolkit; `write_run` writes nan,nan,nan,nan.
"""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from acm_jax.host import listing, text_files
from acm_jax.host.staging import replacing

# Codes in files. A row without a code has the event TRACKED, and an empty
# region if the tracker found none.
SKIPPED, INITIALISED, FAILED = 0, 1, 2
TRACKED = -1


class Run(NamedTuple):
  """Output of a tracker on one sequence, in the order of tracking.

  Element i of every array belongs to frame `start + step * i` of the sequence.

  Attributes:
    region: Region in each frame, px: x, y, w, h or the corners of a polygon;
      empty in frames without a region, such as the frame of a start, and frames
      in which the tracker found none. If every frame has a box, `region` may be
      one array [n, 4].
    event: Event in each frame: TRACKED, INITIALISED, FAILED or SKIPPED.
    confidence: In each frame, the confidence that the region is the target; NaN
      if unknown. None if the experiment does not use confidences.
    lost: For each frame, whether the tracker reports the target as lost. None
      if the tracker does not report this, or the experiment does not use it.
    start: Index of the frame in which the tracker is first started.
    step: Direction of tracking, 1 forward or -1 backward.
    first_pixel: Coordinate that `region` gives to the first pixel of the image:
      0, or 1 if the run was read from a file in 1-based coordinates.
  """

  region: Float[np.ndarray, 'n 4'] | Sequence[np.ndarray]
  event: Int[np.ndarray, 'n']
  confidence: Float[np.ndarray, 'n'] | None = None
  lost: Bool[np.ndarray, 'n'] | None = None
  start: int = 0
  step: int = 1
  first_pixel: int = 0

  def boxes(self, frames: int) -> Float[np.ndarray, '{frames} 4']:
    """Returns the box in each frame, px, 0-based; NaN in frames without a box.

    Args:
      frames: Number of frames of the sequence.
    """
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
  """Creates a run without failures; the first frame has no region.

  Args:
    region: Region in each frame, px, 0-based: x, y, w, h or the corners of a
      polygon. The first region is ignored.
    confidence: Confidence in each frame.
    start: Index of the first frame.
    step: Direction of tracking, 1 forward or -1 backward.
  """
  event = np.full(len(region), TRACKED)
  event[0] = INITIALISED
  rest = tuple(np.asarray(each, np.float64) for each in region[1:])
  region = (np.zeros(0), *rest)
  return Run(region, event, confidence, start=start, step=step)


def boxes_alone(
  boxes_xywh: Float[np.ndarray, 'n 4'] | Sequence[np.ndarray],
  first_pixel: int = 0,
) -> Run:
  """Creates a run with a box in every frame, including the first.

  Args:
    boxes_xywh: Box in each frame, px.
    first_pixel: Coordinate that `boxes_xywh` gives to the first pixel of the
      image, 0 or 1.
  """
  boxes_xywh = np.asarray(boxes_xywh, np.float64)
  event = np.full(len(boxes_xywh), TRACKED)
  return Run(boxes_xywh, event, first_pixel=first_pixel)


def read_run(
  path: Path,
  codes: Sequence[int],
  frames: int,
  which: str = 'annotated frames',
) -> Run:
  """Reads the file of one run.

  Args:
    path: Path of the file.
    codes: Codes that the file may contain.
    frames: Number of frames, each of which must have a row.
    which: Description of `frames` for messages.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is malformed or cannot follow the previous row, or the
      number of rows is wrong. The message names the file and, if only one row
      is wrong, the row.
  """
  rows = [_row(path, n, line, codes) for n, line in enumerate(lines(path), 1)]
  if len(rows) != frames:
    raise ValueError(
      f'{path}: {len(rows)} rows for {frames} {which}; a run must be complete'
    )
  events = [int(row[0]) if len(row) == 1 else TRACKED for row in rows]
  # In experiments without the code for failures, 0 means that the tracker found
  # no region, and may follow any row.
  if FAILED in codes:
    _check_order(path, events)
  else:
    _check_single_start(path, events)
  if events[0] != INITIALISED:
    found = ','.join(f'{value:g}' for value in rows[0])
    raise ValueError(
      f'{path} row 1: must be 1 (start of the tracker), not {found}'
    )
  region = tuple(
    np.zeros(0) if len(row) == 1 or np.isnan(row).any() else row for row in rows
  )
  return Run(region, np.array(events))


def _row(path, number, line, codes):
  """Parses a row, which is a code or a region."""
  try:
    row = np.array(text_files.fields(line), np.float64)
  except ValueError:
    row = np.zeros(0)
  is_code = len(row) == 1 and row[0] in codes
  is_region = len(row) == 4 or (len(row) >= 6 and len(row) % 2 == 0)
  is_known = np.isfinite(row).all() or np.isnan(row).all()
  if not (is_code or (is_region and is_known)):
    raise ValueError(
      f'{path} row {number}: {line.strip()!r} is neither one of the codes '
      f'{", ".join(map(str, codes))} nor a region (x,y,w,h, the corners of a '
      'polygon, or nan,nan,nan,nan if the tracker found none)'
    )
  return row


# Messages for a row that cannot follow the previous row. Keys are the possible
# events of such a row.
_MISPLACED = {
  SKIPPED: '0 (skipped frame) is only permitted after 2 (failure) or another 0',
  INITIALISED: (
    '1 (start of the tracker) is only permitted in row 1, after 2 (failure) or '
    'after 0 (skipped frame)'
  ),
  FAILED: (
    '2 (failure) is only permitted after 1 (start of the tracker) or a region'
  ),
  TRACKED: (
    'a region is only permitted after 1 (start of the tracker) or another '
    'region'
  ),
}


def _check_order(path, events):
  pairs = itertools.pairwise([SKIPPED, *events])
  for number, (before, event) in enumerate(pairs, 1):
    if (before in (SKIPPED, FAILED)) != (event in (SKIPPED, INITIALISED)):
      raise ValueError(f'{path} row {number}: {_MISPLACED[event]}')


def _check_single_start(path, events):
  if INITIALISED in events[1:]:
    number = events.index(INITIALISED, 1) + 1
    raise ValueError(
      f'{path} row {number}: 1 (start of the tracker) is only permitted in row '
      '1'
    )


def names_anchors(root: Path) -> bool:
  """Returns whether a subfolder of `root` has files of anchor runs.

  The names of such files end in the frame index of the anchor, in 8 digits.
  """
  files = listing.find(root, '*/*.txt')
  return any(re.search(r'_\d{8}$', file.stem) for file in files)


def write_run(path: Path, run: Run) -> None:
  """Writes a run in the form that `read_run` reads."""
  rows = [
    _text(region) if event == TRACKED else str(event)
    for region, event in zip(run.region, run.event, strict=True)
  ]
  path.parent.mkdir(parents=True, exist_ok=True)
  with replacing(path) as temporary:
    text_files.write(temporary, '\n'.join(rows) + '\n')


def _text(region):
  # A region of NaN, or an empty one, has no number that is not NaN.
  values = [np.nan] * 4 if np.isnan(region).all() else region
  return ','.join(f'{value:.4f}' for value in values)


def read_confidence(path: Path) -> Float[np.ndarray, 'n']:
  """Reads one confidence per row; an empty row is NaN.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is not a number; the message names the file and the row.
  """
  if not path.is_file():
    raise FileNotFoundError(
      f'{path}: no such file; it must hold the confidence of each frame, one '
      'per row'
    )
  values = []
  for number, line in enumerate(text_files.read(path).splitlines(), 1):
    try:
      values.append(float(line) if line.strip() else np.nan)
    except ValueError:
      raise ValueError(
        f'{path} row {number}: {line!r} is not a number; give a confidence, or '
        'leave the row empty if unknown'
      ) from None
  return np.array(values)


def write_confidence(path: Path, values: Float[np.ndarray, 'n']) -> None:
  """Writes confidences in the form that `read_confidence` reads."""
  rows = ['' if np.isnan(value) else f'{value:.9f}' for value in values]
  with replacing(path) as temporary:
    text_files.write(temporary, '\n'.join(rows) + '\n')


def lines(path: Path) -> list[str]:
  """Reads the rows of a result file.

  Raises:
    FileNotFoundError: The file is missing.
    ValueError: The file is empty, or is not text.
  """
  if not path.is_file():
    raise FileNotFoundError(
      f'{path}: no such file; it must hold one row per frame'
    )
  found = text_files.read(path).rstrip().splitlines()
  if not found:
    raise ValueError(f'{path}: empty; write one row per frame')
  return found
