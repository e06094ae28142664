"""Reproducible weights and inputs, with which the reference was computed."""

import json
import zlib
from pathlib import Path

import numpy as np

REFERENCE = Path(__file__).parent / 'reference'


def rng(name: str, seed: str = 'dev') -> np.random.Generator:
  """Returns a generator seeded with a name."""
  return np.random.default_rng(zlib.crc32(f'{seed}:{name}'.encode()))


def weight(key: str, shape: list[int]) -> np.ndarray:
  """Returns the array of a key in a state dict."""
  draw, leaf = rng(key), key.rsplit('.', 1)[-1]
  if leaf == 'running_var':
    value = draw.uniform(0.5, 1.5, shape)
  elif leaf in ('running_mean', 'bias'):
    value = 0.1 * draw.standard_normal(shape)
  elif leaf == 'loc_scale':
    value = draw.uniform(0.01, 0.03, shape)
  elif len(shape) >= 2:
    value = draw.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
  else:
    value = draw.uniform(0.5, 1.5, shape)
  return value.astype(np.float32)


def state_dict(model: str) -> dict[str, np.ndarray]:
  """Returns the state dict of a reference model."""
  keys = json.loads((REFERENCE / f'{model}.keys.json').read_text())['keys']
  return {
    key: weight(key, shape)
    for key, shape in keys
    if not key.endswith('num_batches_tracked')
  }


def image(name: str, size: int) -> np.ndarray:
  """Returns an input image of a reference model, NHWC."""
  value = rng(name).uniform(0, 1, (1, 3, size, size))
  return value.astype(np.float32).transpose(0, 2, 3, 1)


def frame(index: int) -> np.ndarray:
  """Returns a frame of the reference sequences, RGB [240, 320, 3] uint8."""
  y, x = np.mgrid[:240, :320]
  k = rng('frame').uniform(0.01, 0.08, (3, 4))
  p = rng('phase').uniform(0, 6.28, (3, 2))
  channels = [
    127.5
    + 60 * np.sin(k[j, 0] * x + k[j, 1] * y + p[j, 0] + 0.11 * index)
    + 60 * np.cos(k[j, 2] * x - k[j, 3] * y + p[j, 1] - 0.07 * index)
    for j in range(3)
  ]
  bgr = np.clip(np.round(np.stack(channels, axis=-1)), 0, 255)
  return bgr[..., ::-1].astype(np.uint8)


def load(name: str) -> dict[str, np.ndarray]:
  """Reads the arrays of a reference file."""
  with np.load(REFERENCE / f'{name}.npz') as arrays:
    return dict(arrays)


def nhwc(array: np.ndarray) -> np.ndarray:
  """Moves the channels of a batch to the end."""
  return np.moveaxis(array, 1, -1)
