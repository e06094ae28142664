"""How things move in a synthetic sequence: smooth random paths."""

import dataclasses

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True, eq=False)
class Motion:
  """Where a sprite is in every frame.

  Attributes:
    center: x, y, px.
    size: Width and height before turning, px.
    angle: Radians, clockwise on the screen.
    gain: Factor on its brightness.
  """

  center: Float[np.ndarray, 't 2']
  size: Float[np.ndarray, 't 2']
  angle: Float[np.ndarray, 't']
  gain: Float[np.ndarray, 't']


def wander(rng: np.random.Generator, frames: int, keep: float) -> np.ndarray:
  """A stationary random path of unit variance; `keep` is a frame's memory."""
  noise = rng.normal(0, 1, frames)
  path = np.empty(frames)
  path[0] = noise[0]
  for t in range(1, frames):
    path[t] = keep * path[t - 1] + np.sqrt(1 - keep**2) * noise[t]
  return path


def roam(
  rng: np.random.Generator, frames: int, size_hw: tuple[int, int], side: float
) -> Motion:
  """A thing that roams the frame, now slow, now fast, and stays inside it.

  Args:
    rng: Source of randomness.
    frames: Length of the path.
    size_hw: Height and width of the frame, px.
    side: Square root of the thing's area at the start, px.
  """
  h, w = size_hw
  speed = side * np.exp(rng.uniform(np.log(0.04), np.log(0.22)))
  # Bursts: for a few frames up to three times as fast.
  speed *= 1 + 2 * (wander(rng, frames, 0.8) > 1.6)
  drift = np.stack([wander(rng, frames, 0.93) for _ in range(2)], -1)
  margin = np.minimum(0.6 * side, 0.3 * min(h, w))
  room = np.array([w, h]) - 2 * margin
  start = rng.uniform(0, room)
  center = start + np.cumsum(drift * np.reshape(speed, (-1, 1)), axis=0)
  center = margin + _fold(center, room)
  scale = np.exp(_trend(rng, frames, 0.35))
  scale = np.clip(scale / scale[0], 0.5, 2.0)
  aspect = np.exp(rng.normal(0, 0.4) + _trend(rng, frames, 0.12))
  size = side * scale[:, None] * np.stack([aspect**0.5, aspect**-0.5], -1)
  turn = rng.choice([0.1, 0.4, 1.2])
  angle = rng.normal(0, 0.3) + _trend(rng, frames, turn)
  return Motion(center, size, angle, np.exp(_trend(rng, frames, 0.15)))


def crossing(
  rng: np.random.Generator, target: Motion, camera: Float[np.ndarray, 't 2']
) -> Motion:
  """An obstacle that stands in the scene and that the target passes behind."""
  frames = len(camera)
  moment = rng.integers(frames)
  drift = rng.normal(0, 0.3, 2) * (np.arange(frames)[:, None] - moment)
  near = target.center[moment] + rng.normal(0, 0.2, 2) * target.size[moment]
  factor = rng.uniform(0.5, 1.2) * np.exp(rng.normal(0, 0.5, 2) * [1, -1])
  size = np.tile(target.size[moment] * factor, (frames, 1))
  angle = np.full(frames, rng.normal(0, 0.4))
  center = near + drift + camera - camera[moment]
  return Motion(center, size, angle, np.ones(frames))


def pan(rng: np.random.Generator, frames: int) -> Float[np.ndarray, 't 2']:
  """How far the camera has moved the scene in each frame, px."""
  speed = rng.choice([0.0, 0.5, 2.0])
  steps = np.stack([wander(rng, frames, 0.9) for _ in range(2)], -1)
  return np.cumsum(speed * steps, axis=0)


def _trend(rng, frames, size):
  """A smooth path of standard deviation `size`."""
  slow = np.convolve(wander(rng, frames + 8, 0.95), np.ones(9) / 9, 'valid')
  return size * slow


def _fold(path, room):
  """Reflects a path at 0 and at room."""
  return room - abs(path % (2 * room) - room)
