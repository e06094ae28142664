"""Frame and box of the tracking steps that are timed."""

import numpy as np

# Height and width of the frame, px.
FRAME = (720, 1280)
# First box x, y, w, h of the target, px.
BOX_XYWH = (600.0, 300.0, 80.0, 60.0)


def frame(size: tuple[int, int] = FRAME) -> np.ndarray:
  """Returns a frame of random colours, uint8 [h, w, 3].

  Args:
    size: Height and width, px.
  """
  return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
