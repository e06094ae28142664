"""Writes image files."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from acm_jax.host.staging import replacing


def write_image(path: Path, image: UInt8[np.ndarray, 'h w 3']) -> None:
  """Writes an RGB image, in the format that the suffix of the path names.

  Raises:
    OSError: The file cannot be written.
    RuntimeError: The image cannot be encoded.
  """
  bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
  # Encoding and writing are separate, because `cv2.imwrite` does not tell why a
  # file cannot be written.
  try:
    encoded, data = cv2.imencode(path.suffix, bgr)
  except cv2.error:
    encoded = False
  if not encoded:
    h, w = image.shape[:2]
    raise RuntimeError(
      f'{path}: an image of {w} x {h} pixels cannot be encoded in the format '
      f'{path.suffix!r}; choose another suffix, such as .png'
    )
  with replacing(path) as partial:
    partial.write_bytes(data)
