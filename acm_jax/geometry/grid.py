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
