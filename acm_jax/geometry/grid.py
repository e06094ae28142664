"""Number, locations and anchors of the cells of a response map."""

import numpy as np


def response_size(search_cells: int, template_cells: int) -> int:
  """Returns the number of cells per side of a response map.

  The map is the unpadded cross-correlation of search and template features.

  Args:
    search_cells: Number of cells per side of the search features.
    template_cells: Number of cells per side of the template features.
  """
  return search_cells - template_cells + 1


def points(size: int, stride: int) -> np.ndarray:
  """Returns the locations of a response map's cells in the search region, px.

  Locations are relative to the region's centre: cell i is at
  (i - size // 2) * stride along each axis. If `size` is odd, the middle cell is
  therefore at the centre.

  Args:
    size: Number of cells per side.
    stride: Distance between neighbouring cells, px.

  Returns:
    float32 array [size, size, 2] of (x, y); the first axis is vertical.
  """
  axis = (np.arange(size, dtype=np.float32) - size // 2) * stride
  return np.stack(np.meshgrid(axis, axis), axis=-1)


def anchors(
  stride: int, scales: tuple[float, ...], ratios: tuple[float, ...]
) -> np.ndarray:
  """Returns the widths and heights of the anchors of a cell, in px.

  An anchor has an area of about (stride * scale) squared. Its sides are
  truncated to whole pixels before they are multiplied by the scale.

  Args:
    stride: Distance between neighbouring cells, px.
    scales: Sizes of the anchors, as multiples of the stride.
    ratios: Ratios of height to width of the anchors.

  Returns:
    float32 array [number of ratios * number of scales, 2] of (w, h); the scale
    varies fastest.

  Source: the released SiamRPN++ code.
  """
  sizes = []
  for ratio in ratios:
    width = int((stride**2 / ratio) ** 0.5)
    height = int(width * ratio)
    sizes += [(width * scale, height * scale) for scale in scales]
  return np.array(sizes, np.float32)
