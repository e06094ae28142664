"""Where the cells of a response map lie in the search crop."""

import numpy as np


def response_size(search_cells: int, template_cells: int) -> int:
  """Cells a side after a valid convolution by a kernel of template size."""
  return search_cells - template_cells + 1


def points(size: int, stride: int) -> np.ndarray:
  """Places of a response map's cells, relative to the crop's centre, in px.

  Cell i lies at (i - size // 2) * stride along each axis, so that the middle
  cell of an odd map is the centre of the crop.

  Args:
    size: Cells a side.
    stride: Pixels from cell to cell.

  Returns:
    float32 array [size, size, 2] of (x, y).
  """
  axis = (np.arange(size, dtype=np.float32) - size // 2) * stride
  return np.stack(np.meshgrid(axis, axis), axis=-1)


def anchors(
  stride: int, scales: tuple[float, ...], ratios: tuple[float, ...]
) -> np.ndarray:
  """Widths and heights of the reference boxes of a cell, in px.

  An anchor of ratio r has about the area of (stride * scale) squared; its
  sides are cut to whole pixels before the scale multiplies them.

  Args:
    stride: Pixels from cell to cell.
    scales: Sides in strides.
    ratios: Heights over widths.

  Returns:
    float32 array [ratios * scales, 2] of (w, h), ratio before scale.

  Source: the released SiamRPN++ code.
  """
  sizes = []
  for ratio in ratios:
    width = int((stride**2 / ratio) ** 0.5)
    height = int(width * ratio)
    sizes += [(width * scale, height * scale) for scale in scales]
  return np.array(sizes, np.float32)
