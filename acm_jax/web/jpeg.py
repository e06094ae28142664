"""JPEG files of frames, in memory."""

import cv2
import numpy as np
from jaxtyping import UInt8


def encode(image: UInt8[np.ndarray, 'h w 3'], quality: int) -> bytes:
  """Returns an RGB image as a JPEG file.

  Args:
    image: RGB image.
    quality: Quality, 0 to 100.
  """
  bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
  options = [cv2.IMWRITE_JPEG_QUALITY, quality]
  return cv2.imencode('.jpg', bgr, options)[1].tobytes()


def decode(data: bytes) -> UInt8[np.ndarray, 'h w 3'] | None:
  """Returns the RGB image in a JPEG file, or None if there is none."""
  if not data.startswith(b'\xff\xd8'):
    return None
  bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
  return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
