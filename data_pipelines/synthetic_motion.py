"""Samples smooth random motion of sprites and camera in synthetic sequences."""

import dataclasses

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True, eq=False)
class Motion:
  """Motion of a sprite: its pose and brightness in every frame.

  Attributes:
    center: Position of the centre, x, y, px.
    size: Width and height before the rotation, px.
    angle: Rotation, radians, clockwise on the screen.
    gain: Factor on the brightness.
  """

  center: Float[np.ndarray, 't 2']
  size: Float[np.ndarray, 't 2']
  angle: Float[np.ndarray, 't']
  gain: Float[np.ndarray, 't']


def wander(rng: np.random.Generator, frames: int, keep: float) -> np.ndarray:
  """Samples a stationary autoregressive process of mean 0 and variance 1.

  Args:
    rng: Source of randomness.
    frames: Number of values, one per frame.
    keep: Correlation between the values in consecutive frames.
  """
  noise = rng.normal(0, 1, frames)
  path = np.empty(frames)
  path[0] = noise[0]
  for t in range(1, frames):
    path[t] = keep * path[t - 1] + np.sqrt(1 - keep**2) * noise[t]
  return path


def roam(
  rng: np.random.Generator, frames: int, size_hw: tuple[int, int], side: float
) -> Motion:
  """Samples the motion of a sprite that roams the frame at a varying speed.

  The centre of the sprite stays inside the frame.

  Args:
    rng: Source of randomness.
    frames: Number of frames.
    size_hw: Height and width of the frame, px.
    side: Square root of the sprite's area in the first frame, px.
  """
  h, w = size_hw
  speed = side * np.exp(rng.uniform(np.log(0.04), np.log(0.22)))
  # Bursts of a few frames are three times as fast.
  speed *= 1 + 2 * (wander(rng, frames, 0.8) > 1.6)
  drift = np.stack([wander(rng, frames, 0.93) for _ in range(2)], -1)
  margin = np.minimum(0.6 * side, 0.3 * min(h, w))
  free = np.array([w, h]) - 2 * margin
  start = rng.uniform(0, free)
  center = start + np.cumsum(drift * np.reshape(speed, (-1, 1)), axis=0)
  center = margin + _fold(center, free)
  scale = np.exp(_trend(rng, frames, 0.35))
  scale = np.clip(scale / scale[0], 0.5, 2.0)
  aspect = np.exp(rng.normal(0, 0.4) + _trend(rng, frames, 0.12))
  size = side * scale[:, None] * np.stack([aspect**0.5, aspect**-0.5], -1)
  turn = rng.choice([0.1, 0.4, 1.2])
  angle = rng.normal(0, 0.3) + _trend(rng, frames, turn)
  return Motion(center, size, angle, np.exp(_trend(rng, frames, 0.15)))


def crossing(
  rng: np.random.Generator,
  target: Motion,
  camera: Float[np.ndarray, 't 2'],
  enlarged: float = 1.0,
) -> Motion:
  """Samples the motion of an obstacle that the target passes behind.

  The obstacle is almost at rest in the scene, which shifts with the camera.

  Args:
    rng: Source of randomness.
    target: Motion of the target.
    camera: Shift of the scene in each frame, x, y, px.
    enlarged: Factor on the obstacle's size. With 1, the obstacle is about as
      large as the target, which therefore is seldom hidden completely.
  """
  frames = len(camera)
  moment = rng.integers(frames)
  drift = rng.normal(0, 0.3, 2) * (np.arange(frames)[:, None] - moment)
  near = target.center[moment] + rng.normal(0, 0.2, 2) * target.size[moment]
  factor = rng.uniform(0.5, 1.2) * np.exp(rng.normal(0, 0.5, 2) * [1, -1])
  factor *= enlarged
  size = np.tile(target.size[moment] * factor, (frames, 1))
  angle = np.full(frames, rng.normal(0, 0.4))
  center = near + drift + camera - camera[moment]
  return Motion(center, size, angle, np.ones(frames))


def pan(rng: np.random.Generator, frames: int) -> Float[np.ndarray, 't 2']:
  """Samples the shift x, y of the scene in each frame, px.

  The camera, which causes the shift, moves slowly, fast or not at all.
  """
  speed = rng.choice([0.0, 0.5, 2.0])
  steps = np.stack([wander(rng, frames, 0.9) for _ in range(2)], -1)
  return np.cumsum(speed * steps, axis=0)


def _trend(rng, frames, size):
  """Samples a smooth path of standard deviation `size`."""
  slow = np.convolve(wander(rng, frames + 8, 0.95), np.ones(9) / 9, 'valid')
  return size * slow


def _fold(path, limit):
  """Keeps a path between 0 and `limit` by reflecting it at both ends."""
  return limit - abs(path % (2 * limit) - limit)
