"""Smooth random motion as sums of a few waves."""

import numpy as np
from jaxtyping import Float

# Minimum and maximum number of cycles that a wave completes in a sequence.
# Number of waves that are summed to a path.
_CYCLES = (0.15, 2.0)
_WAVES = 3


def waves(
  rng: np.random.Generator, frames: int, count: int
) -> Float[np.ndarray, 't n']:
  """Samples smooth paths of mean 0 and variance 1.

  Each path is a sum of sine waves; slow waves have the largest amplitudes.

  Args:
    rng: Source of randomness.
    frames: Number of frames.
    count: Number of paths.

  Returns:
    Paths, one per column.
  """
  cycles = rng.uniform(*_CYCLES, (_WAVES, count))
  phase = rng.uniform(0, 2 * np.pi, (_WAVES, count))
  height = 1 / (0.5 + cycles)
  turn = 2 * np.pi / frames * np.arange(frames)
  height /= np.sqrt((height**2).sum(axis=0) / 2)
  path = np.sin(turn[:, None, None] * cycles + phase)
  return np.einsum('twn,wn->tn', path, height)


def folded(path: Float[np.ndarray, '*n']) -> Float[np.ndarray, '*n']:
  """Keeps a path between 0 and 1 by reflecting it at both limits."""
  return 1 - abs(path % 2 - 1)


def deformation(
  rng: np.random.Generator, frames: int
) -> Float[np.ndarray, 't 2 2']:
  """Samples linear maps, one per frame, that change an object's shape.

  The maps rotate, stretch and scale the object; some objects are mirrored.
  The rotation is a few degrees in most sequences, and up to about 30 degrees in
  one sequence out of five.
  """
  path = waves(rng, frames, 3)
  most = 0.3 if rng.random() < 0.2 else 0.05
  angle = rng.normal(0, 0.04) + most * path[:, 0]
  stretch = np.exp(rng.normal(0, 0.04) + 0.03 * path[:, 1])
  growth = np.exp(0.2 * path[:, 2])
  mirror = rng.choice([-1.0, 1.0])
  cos, sin = np.cos(angle), np.sin(angle)
  wide, high = growth * stretch * mirror, growth / stretch
  turned = np.stack([cos * wide, -sin * high, sin * wide, cos * high], axis=1)
  return turned.reshape(frames, 2, 2)


def pan(
  rng: np.random.Generator,
  frames: int,
  size_hw: Float[np.ndarray, '2'],
) -> Float[np.ndarray, 't 4']:
  """Samples the part of a photograph that the camera shows in each frame.

  Args:
    rng: Source of randomness.
    frames: Number of frames.
    size_hw: Height and width of the photograph, px.

  Returns:
    Box of the part in each frame: x, y, w, h, px of the photograph.
  """
  whole = size_hw[::-1]
  part = np.floor(whole * rng.uniform(0.75, 1.0))
  reach = rng.choice([0.0, 0.15, 0.5])
  path = rng.uniform(0, 1, 2) + reach * waves(rng, frames, 2)
  corner = np.floor(folded(path) * (whole - part))
  return np.concatenate([corner, np.broadcast_to(part, corner.shape)], axis=1)
