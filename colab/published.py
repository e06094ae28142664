"""Stands in for the published weights that the notebook pytorch_weights reads.

The published file cannot be part of this repository. A network of the same
structure takes its place: NanoTrackV3 with the weights that `small` has in its
backbone, its correlations and its towers.
"""

import importlib.util
from pathlib import Path

import numpy as np
import safetensors.numpy
from flax import traverse_util

import acm_jax
from acm_jax import models, trackers
from acm_jax.weights.names import naming

NOTE = (
  'The weights here are not the published ones, but those of `small` without '
  'its ACM, under the official names.'
)
# Name of a leaf in Flax -> its name in PyTorch.
_LEAVES = {
  'kernel': 'weight',
  'scale': 'weight',
  'mean': 'running_mean',
  'var': 'running_var',
}


def write(folder: Path) -> None:
  """Writes nanotrackv3.pth, and outputs of PyTorch code as verify.npz.

  Without PyTorch, nanotrackv3.pth is in the format of safetensors, and there is
  no verify.npz.

  Args:
    folder: Existing folder to write to.
  """
  path, arrays = folder / 'nanotrackv3.pth', state_dict()
  if importlib.util.find_spec('torch') is None:
    safetensors.numpy.save_file(arrays, path)
    return
  import torch

  from benchmarks.torch_networks.nanotrack import NanoTrack

  tensors = {key: torch.from_numpy(array) for key, array in arrays.items()}
  torch.save({'state_dict': tensors}, path)
  network = NanoTrack().eval()
  # Counters of training steps are missing; the network does not use them.
  network.load_state_dict(tensors, strict=False)
  rng = np.random.default_rng(0)
  inputs = {
    name: rng.uniform(0, 255, (1, 3, side, side)).astype(np.float32)
    for name, side in (('template', 127), ('search', 255))
  }
  with torch.no_grad():
    template, search = map(torch.from_numpy, inputs.values())
    cls, loc = network(template, torch.ones(1, 2), search)
  np.savez(folder / 'verify.npz', **inputs, cls=cls.numpy(), loc=loc.numpy())


def state_dict() -> dict[str, np.ndarray]:
  """Returns weights under the names and in the layouts of the official code."""
  section = acm_jax.load_config('nanotrack').tracker.to_dict()
  shapes = trackers.shapes(trackers.make(**section))
  key = naming(section['name'], section['backbone'], section['levels'])
  small = models.read_weights(models.find('small'))
  values = traverse_util.flatten_dict(small, sep='/')
  named = {}
  for path in traverse_util.flatten_dict(shapes, sep='/'):
    _, *modules, leaf = path.split('/')
    name = key('/'.join([*modules, _LEAVES.get(leaf, leaf)]))
    named[name] = _torch_layout(values[path])
  return named


def _torch_layout(value: np.ndarray) -> np.ndarray:
  """Moves the axes of a kernel from HWIO to OIHW, or from IO to OI."""
  axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(value.ndim, range(value.ndim))
  return np.ascontiguousarray(value.transpose(*axes))
