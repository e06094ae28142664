"""Overlap of regions as the toolkits of the VOT challenge count it: in pixels.

A region is x, y, w, h or the corners x1, y1, x2, y2, ... of a polygon, px,
first pixel 0. It is drawn row by row, each row from its leftmost to its
rightmost point, so that the dents of a polygon that is not convex are filled.

The toolkits draw differently; both forms were found by feeding them regions.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

# Overlap of two regions in an image of a width and a height.
Overlap = Callable[[np.ndarray, np.ndarray, tuple[int, int]], float]


def pysot_overlap(
  a: Float[np.ndarray, '_'],
  b: Float[np.ndarray, '_'],
  bounds: tuple[int, int],
) -> float:
  """Common pixels by pixels of either, as pysot has it.

  A rectangle is a polygon. Corners are rounded, halves away from 0, and edges
  belong to the polygon, but not a row of a single point. The image has one
  row and one column more than `bounds` says.

  Args:
    a: A region.
    b: Another.
    bounds: Width and height of the image.
  """
  return pysot_overlaps(a, b, (bounds,))[0]


def pysot_overlaps(
  a: Float[np.ndarray, '_'],
  b: Float[np.ndarray, '_'],
  bounds: Sequence[tuple[int, int]],
) -> list[float]:
  """As `pysot_overlap`, in images of several sizes, drawn once."""
  corners = _corners(a), _corners(b)
  low, high = (
    [np.floor(edge(shape, axis=0)) for shape in corners]
    for edge in (np.min, np.max)
  )
  if (low[0] > high[1]).any() or (low[1] > high[0]).any():
    return [0.0] * len(bounds)
  drawn = []
  for shape in corners:
    first, left, right = _ends(np.trunc(shape + np.copysign(0.5, shape)))
    drawn.append((first, left, np.where(left < right, right, -np.inf)))
  return [
    _share(*(_cut(*rows, (width + 1, height + 1)) for rows in drawn))
    for width, height in bounds
  ]


def vot_toolkit_overlap(
  a: Float[np.ndarray, '_'],
  b: Float[np.ndarray, '_'],
  bounds: tuple[int, int],
) -> float:
  """Common pixels by pixels of either, as vot-toolkit has it.

  A rectangle has as many pixels as its rounded sides say, a polygon its edges
  too. Halves are rounded to even. Where an edge of a polygon crosses a row at a
  whole pixel, an error in the last digit may cut it to the pixel before; that
  depends on where x counts from, the least in the image of both regions, and on
  the end that the edge is followed from.

  Args:
    a: A region.
    b: Another.
    bounds: Width and height of the image.
  """
  lefts = [np.round(r[0] if len(r) == 4 else r[::2].min()) for r in (a, b)]
  origin = max(min(lefts), 0)
  return _share(
    *(_cut(*_vot_toolkit_ends(each, origin), bounds) for each in (a, b))
  )


def _vot_toolkit_ends(region, origin):
  if len(region) != 4:

    def crossings(x, y, next_x, next_y, rows):
      share = (rows - next_y) / np.where(next_y == y, 1, y - next_y)
      return origin + np.trunc((next_x - origin) + share * (x - next_x))

    return _ends(np.round(_corners(region)), crossings)
  x, y, w, h = np.round(region)
  rows = np.ones(int(max(h, 0)))
  return int(y), x * rows, (x + w - 1) * rows


class _Rows(NamedTuple):
  """Pixels from `left` to `right` in each row from the `first` on."""

  first: int
  left: Int[np.ndarray, 'r']
  right: Int[np.ndarray, 'r']


def _corners(region):
  if len(region) != 4:
    return region.reshape(-1, 2)
  x, y, w, h = region
  return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])


def _crossings(x, y, next_x, next_y, rows):
  """Where edges that are not level cross rows."""
  rise = np.where(next_y == y, 1, next_y - y)
  return x + (rows - y) * (next_x - x) / rise


def _ends(corners, crossings=_crossings):
  """First row, and the ends of all rows, of a polygon of whole corners."""
  x, y = corners.T
  rows = np.arange(y.min(), y.max() + 1)[:, None]
  next_x, next_y = np.roll(x, -1), np.roll(y, -1)
  # A level edge ends where its neighbours do.
  points = np.where(next_y == y, x, crossings(x, y, next_x, next_y, rows))
  crossed = (rows >= np.minimum(y, next_y)) & (rows <= np.maximum(y, next_y))
  left = np.where(crossed, points, np.inf).min(axis=1)
  right = np.where(crossed, points, -np.inf).max(axis=1)
  return int(rows[0, 0]), left, right


def _cut(first, left, right, bounds):
  """What is in the image; the ends of rows are cut to whole pixels."""
  above = min(max(-first, 0), len(left))
  kept = slice(above, max(bounds[1] - first, above))
  return _Rows(
    first + above,
    np.clip(np.trunc(left[kept]), 0, bounds[0]).astype(int),
    np.clip(np.trunc(right[kept]), -1, bounds[0] - 1).astype(int),
  )


def _share(a, b):
  first = max(a.first, b.first)
  last = min(a.first + len(a.left), b.first + len(b.left))
  common = 0
  if last > first:
    in_a = slice(first - a.first, last - a.first)
    in_b = slice(first - b.first, last - b.first)
    left = np.maximum(a.left[in_a], b.left[in_b])
    common = _count(left, np.minimum(a.right[in_a], b.right[in_b]))
  either = _count(*a[1:]) + _count(*b[1:]) - common
  return common / either if either else 0.0


def _count(left, right):
  return int(np.maximum(right - left + 1, 0).sum())
