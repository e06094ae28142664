"""Overlap of regions, counted in pixels as in the VOT challenge's toolkits.

A region is x, y, w, h or the corners x1, y1, x2, y2, ... of a polygon, px,
0-based. In each row of pixels, all pixels from the leftmost to the rightmost
point of the region in that row belong to the region. This also fills the dents
of a concave polygon.

pysot and vot-toolkit rasterise differently. The rules of each were found by
experiment, from the overlaps that the toolkit returns for chosen regions.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num

from acm_jax.evaluation.runs import Run
from acm_jax.evaluation.truth import Truth


def pysot_overlap(
  a: Float[np.ndarray, '_'],
  b: Float[np.ndarray, '_'],
  bounds: tuple[int, int],
) -> float:
  """Returns the IoU of two regions, counted in pixels by pysot's rules.

  A rectangle is treated as a polygon. Corners are rounded to whole pixels, with
  halves rounded away from 0. Edges belong to the polygon. Rows in which the
  polygon is a single point are left out. Regions are clipped to an image with
  one row and one column more than `bounds`.

  Args:
    a: First region, px: x, y, w, h or the corners x1, y1, x2, y2, ...
    b: Second region, in one of the same forms.
    bounds: Width and height of the image, px.
  """
  (overlap,) = pysot_overlaps(a, b, (bounds,))
  return overlap


def pysot_overlaps(
  a: Float[np.ndarray, '_'],
  b: Float[np.ndarray, '_'],
  bounds: Sequence[tuple[int, int]],
) -> list[float]:
  """Returns `pysot_overlap` for each image size; rasterises only once."""
  corners_a, corners_b = _corners(a), _corners(b)
  low_a, high_a = _floored_extent(corners_a)
  low_b, high_b = _floored_extent(corners_b)
  if (low_a > high_b).any() or (low_b > high_a).any():
    return [0.0] * len(bounds)
  rows_a, rows_b = _pysot_rows(corners_a), _pysot_rows(corners_b)
  return [
    _iou(
      _clipped(rows_a, width + 1, height + 1),
      _clipped(rows_b, width + 1, height + 1),
    )
    for width, height in bounds
  ]


def _floored_extent(corners):
  return np.floor(corners.min(axis=0)), np.floor(corners.max(axis=0))


def _pysot_rows(corners):
  rows = _rasterised(np.trunc(corners + np.copysign(0.5, corners)))
  # Rows in which the polygon is a single point are left out.
  right = np.where(rows.left < rows.right, rows.right, -np.inf)
  return rows._replace(right=right)


def vot_toolkit_overlap(
  a: Float[np.ndarray, '_'],
  b: Float[np.ndarray, '_'],
  bounds: tuple[int, int],
) -> float:
  """Returns the IoU of two regions, counted in pixels by vot-toolkit's rules.

  The numbers x, y, w, h of a rectangle and the corners of a polygon are rounded
  to whole pixels, with halves rounded to even. Edges belong to a polygon. Where
  an edge of a polygon crosses a row at a whole pixel, a floating-point error of
  the toolkit may move the crossing to the pixel on the left. This error is
  reproduced. It depends on the direction of the edge and on the origin of x,
  which is the leftmost pixel of the two regions inside the image.

  Args:
    a: First region, px: x, y, w, h or the corners x1, y1, x2, y2, ...
    b: Second region, in one of the same forms.
    bounds: Width and height of the image, px.
  """
  width, height = bounds
  lefts = [np.round(r[0] if len(r) == 4 else r[::2].min()) for r in (a, b)]
  origin = max(min(lefts), 0)
  return _iou(
    _clipped(_vot_toolkit_rows(a, origin), width, height),
    _clipped(_vot_toolkit_rows(b, origin), width, height),
  )


def pysot_overlap_alone(region: Float[np.ndarray, '_']) -> float:
  """Returns pysot's overlap of a region, or of none, with no region: 0."""
  del region
  return 0.0


def vot_toolkit_overlap_alone(region: Float[np.ndarray, '_']) -> float:
  """Returns vot-toolkit's overlap of a region, or of none, with no region.

  To the toolkit, no region is the point 0, 0, and the overlap is 1 if the
  smallest rectangle around both lies in the first column or row of pixels.
  Some trackers report a lost target as 0, 0, 0, 0.

  Args:
    region: x, y, w, h or the corners x1, y1, x2, y2, ..., px; empty if there is
      none.
  """
  if not len(region):
    return 1.0
  if len(region) == 4:
    first, size = np.round(region).reshape(2, 2)
    last = first + size - 1
  else:
    corners = np.round(_corners(region))
    first, last = corners.min(axis=0), corners.max(axis=0)
  return float(((first >= 0) & (last <= 0)).any())


def overlaps(
  run: Run,
  truth: Truth,
  overlap: Callable[[np.ndarray, np.ndarray, tuple[int, int]], float],
  overlap_alone: Callable[[np.ndarray], float],
) -> Float[np.ndarray, 'n']:
  """Returns the overlap in each frame of a run.

  Args:
    run: Run of the tracker.
    truth: Ground truth of the sequence.
    overlap: Function that computes the overlap of two regions, such as
      `pysot_overlap`.
    overlap_alone: Function that computes the overlap of a region with no
      region, such as `pysot_overlap_alone`.
  """
  overlaps = np.zeros(len(run.region))
  for frame, region in enumerate(run.region):
    index = run.start + run.step * frame
    if not truth.visible[index]:
      overlaps[frame] = overlap_alone(region)
    elif not len(region):
      overlaps[frame] = overlap_alone(truth.region[index])
    else:
      overlaps[frame] = overlap(region, truth.region[index], truth.bounds)
  return overlaps


class _Rows(NamedTuple):
  """Pixels of a region: `left[i]` to `right[i]` in row `first` + i."""

  first: int
  left: Num[np.ndarray, 'r']
  right: Num[np.ndarray, 'r']


def _vot_toolkit_rows(region, origin):
  if len(region) != 4:

    def crossings(x, y, next_x, next_y, rows):
      fraction = (rows - next_y) / np.where(next_y == y, 1, y - next_y)
      return origin + np.trunc((next_x - origin) + fraction * (x - next_x))

    return _rasterised(np.round(_corners(region)), crossings)
  x, y, w, h = np.round(region)
  rows = np.ones(int(max(h, 0)))
  return _Rows(int(y), x * rows, (x + w - 1) * rows)


def _corners(region):
  if len(region) != 4:
    return region.reshape(-1, 2)
  x, y, w, h = region
  return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])


def _crossings(x, y, next_x, next_y, rows):
  """Returns the x where edges cross rows; meaningless for horizontal edges."""
  rise = np.where(next_y == y, 1, next_y - y)
  return x + (rows - y) * (next_x - x) / rise


def _rasterised(corners, crossings=_crossings):
  """Rasterises a polygon with integer corners; does not round ends of rows."""
  x, y = corners.T
  rows = np.arange(y.min(), y.max() + 1)[:, None]
  # Joining slices is much faster than np.roll.
  next_x, next_y = np.concatenate([corners[1:], corners[:1]]).T
  # One end of a horizontal edge suffices: the next edge has the other end.
  points = np.where(next_y == y, x, crossings(x, y, next_x, next_y, rows))
  crossed = (rows >= np.minimum(y, next_y)) & (rows <= np.maximum(y, next_y))
  left = np.where(crossed, points, np.inf).min(axis=1)
  right = np.where(crossed, points, -np.inf).max(axis=1)
  return _Rows(int(rows[0, 0]), left, right)


def _clipped(rows: _Rows, width: int, height: int) -> _Rows:
  """Clips rows to the image and truncates their ends to whole pixels."""
  above = min(max(-rows.first, 0), len(rows.left))
  kept = slice(above, max(height - rows.first, above))
  return _Rows(
    rows.first + above,
    np.clip(np.trunc(rows.left[kept]), 0, width).astype(int),
    np.clip(np.trunc(rows.right[kept]), -1, width - 1).astype(int),
  )


def _iou(a: _Rows, b: _Rows) -> float:
  first = max(a.first, b.first)
  last = min(a.first + len(a.left), b.first + len(b.left))
  common = 0
  if last > first:
    in_a = slice(first - a.first, last - a.first)
    in_b = slice(first - b.first, last - b.first)
    left = np.maximum(a.left[in_a], b.left[in_b])
    common = _count(left, np.minimum(a.right[in_a], b.right[in_b]))
  union = _count(a.left, a.right) + _count(b.left, b.right) - common
  return common / union if union else 0.0


def _count(left, right):
  return int(np.maximum(right - left + 1, 0).sum())
