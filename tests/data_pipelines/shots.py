"""Small shots of video with a known object."""

from pathlib import Path

import cv2
import numpy as np

SIDE, STEP = 40, 4


def square_at(t: int) -> np.ndarray:
  """Box of the square in frame t, x, y, w, h."""
  return np.array([40 + STEP * t, 90, SIDE, SIDE], np.float32)


def moving_square(
  count: int, seed: int = 0, pan: int = 0, flat: bool = False
) -> list[np.ndarray]:
  """A red square with a pattern that moves over a background of blobs.

  Args:
    count: Number of frames, 240 x 320.
    seed: Of the background and its colour.
    pan: How far the camera turns in a frame, px.
    flat: Whether the background has no blobs.
  """
  rng = np.random.default_rng(seed)
  blobs = rng.integers(0, 120, (30, 60, 3)) + rng.permutation([0, 60, 135])
  if flat:
    blobs[:] = blobs.mean((0, 1))
  scene = cv2.resize(blobs.astype(np.uint8), (640, 240))
  frames = []
  for t in range(count):
    frame = scene[:, pan * t : pan * t + 320].copy()
    x, y, w, h = square_at(t).astype(int)
    frame[y : y + h, x : x + w] = 230, 20, 20
    frame[y + 10 : y + 20, x + 10 : x + 30] = 250, 240, 90
    frames.append(frame)
  return frames


def write(folder: Path, frames: list[np.ndarray]) -> str:
  """Writes frames as a folder of images; gives its path."""
  folder.mkdir()
  for number, frame in enumerate(frames):
    cv2.imwrite(str(folder / f'{number:04d}.png'), frame[..., ::-1])
  return str(folder)
