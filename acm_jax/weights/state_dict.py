"""A PyTorch state dict into variables of the same network, strictly."""

from collections.abc import Callable, Mapping

import flax.traverse_util
import numpy as np

from acm_jax.tracking.contract import Variables

# Our leaf names -> PyTorch's.
_LEAVES = {
  'kernel': 'weight',
  'scale': 'weight',
  'bias': 'bias',
  'mean': 'running_mean',
  'var': 'running_var',
}


def to_variables(
  state_dict: Mapping[str, np.ndarray],
  variables: Variables,
  rename: Callable[[str], str],
) -> Variables:
  """Fills every variable from a state dict, and uses every key of it.

  Args:
    state_dict: Arrays by key, in PyTorch's layouts (OIHW, OI).
    variables: Variables, or their shapes, of our network.
    rename: The key of a variable's path `module/.../leaf`, its leaf already
      named as PyTorch names it.

  Returns:
    New variables, float32.

  Raises:
    ValueError: A key is missing, left over or of another shape; all are named.
  """
  flat = flax.traverse_util.flatten_dict(variables, sep='/')
  left = {k for k in state_dict if not k.endswith('num_batches_tracked')}
  filled, faults = {}, []
  for path, wanted in flat.items():
    key = rename(_torch_path(path))
    if key not in state_dict:
      faults.append(f'{key} is missing')
      continue
    left.discard(key)
    value = _our_layout(np.asarray(state_dict[key], np.float32))
    if value.shape != wanted.shape:
      faults.append(f'{key} is {value.shape}, not {wanted.shape}')
    filled[path] = value
  faults += [f'{key} has no place' for key in sorted(left)]
  if faults:
    raise ValueError('weights do not fit: ' + '; '.join(faults))
  return flax.traverse_util.unflatten_dict(filled, sep='/')


def keys(variables: Variables, rename: Callable[[str], str]) -> set[str]:
  """All keys that `to_variables` fills the variables from."""
  flat = flax.traverse_util.flatten_dict(variables, sep='/')
  return {rename(_torch_path(path)) for path in flat}


def _torch_path(path: str) -> str:
  """Drops the collection, renames the leaf."""
  _, *modules, leaf = path.split('/')
  return '/'.join([*modules, _LEAVES.get(leaf, leaf)])


def _our_layout(value: np.ndarray) -> np.ndarray:
  if value.ndim == 4:
    return value.transpose(2, 3, 1, 0)
  return value.T if value.ndim == 2 else value
