"""Short shots of video with a known object."""

from pathlib import Path

import cv2
import numpy as np

SIDE, STEP = 40, 4


def square_at(t: int) -> np.ndarray:
  """Returns the box of the square in frame t, x, y, w, h, px."""
  return np.array([40 + STEP * t, 90, SIDE, SIDE], np.float32)


def moving_square(
  count: int, seed: int = 0, pan: int = 0, flat: bool = False
) -> list[np.ndarray]:
  """Renders a red patterned square that moves over a background of blobs.

  Args:
    count: Number of frames, 240 x 320 px.
    seed: Random seed of the background and its colour.
    pan: Shift of the background per frame, px.
    flat: Whether to render the background without blobs.
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
  """Writes frames as images into a new folder; returns its path."""
  folder.mkdir()
  for number, frame in enumerate(frames):
    cv2.imwrite(str(folder / f'{number:04d}.png'), frame[..., ::-1])
  return str(folder)
