"""Strict conversion of a PyTorch state dict to variables of a network."""

from collections.abc import Callable, Mapping

import flax.traverse_util
import jax.numpy as jnp
import numpy as np

from acm_jax.tracking.contract import Variables
from acm_jax.weights.excerpt import excerpt

# Ends of the keys of counters of training steps, which trackers do not have.
COUNTERS = ('num_batches_tracked', 'n_averaged')
# Name of the leaf of a path in Flax -> its name in PyTorch.
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
  """Fills all variables from a state dict, and checks that all keys are used.

  Args:
    state_dict: Dictionary from keys to arrays in PyTorch's layouts (OIHW, OI).
    variables: Variables of the network, or their shapes.
    rename: Function that maps the path `module/.../leaf` of a variable to a key
      of the state dict. In this path, the leaf has its name in PyTorch, such as
      `weight` instead of `kernel`.

  Returns:
    New variables, float32.

  Raises:
    ValueError: A key is missing or unknown, or an array has the wrong shape or
      anything other than finite floating-point numbers; the message lists the
      first such keys of each kind.
  """
  flat = flax.traverse_util.flatten_dict(variables, sep='/')
  unused = {k for k in state_dict if not k.endswith(COUNTERS)}
  filled, missing, wrong = {}, [], []
  for path, wanted in flat.items():
    key = rename(_torch_path(path))
    if key not in state_dict:
      missing.append(key)
      continue
    unused.discard(key)
    value = np.asarray(state_dict[key])
    if not jnp.issubdtype(value.dtype, jnp.floating):
      wrong.append(f'{key} has the type {value.dtype} instead of a float')
      continue
    with np.errstate(over='ignore'):
      value = _flax_layout(value.astype(np.float32))
    if not np.isfinite(value).all():
      wrong.append(f'{key} has NaN or numbers that are too large for float32')
    if value.shape != wanted.shape:
      wrong.append(
        f'{key} has the shape {value.shape} instead of {wanted.shape}'
      )
    filled[path] = value
  faults = (
    [f'{key} is missing' for key in missing],
    wrong,
    [f'{key} is unknown' for key in sorted(unused)],
  )
  if any(faults):
    prefixes = _prefixes(missing, unused)
    fix = 'choose other weights or another config'
    if prefixes:
      fix = f'save the weights without the prefix {excerpt(prefixes, " or ")}'
    texts = '; '.join(excerpt(kind, '; ') for kind in faults if kind)
    raise ValueError(
      f'`weights` do not fit the network of the config; {fix}. Faults, with '
      f'shapes as in Flax (HWIO or IO): {texts}'
    )
  return flax.traverse_util.unflatten_dict(filled, sep='/')


def keys(variables: Variables, rename: Callable[[str], str]) -> set[str]:
  """Returns the keys from which `to_variables` fills the variables."""
  flat = flax.traverse_util.flatten_dict(variables, sep='/')
  return {rename(_torch_path(path)) for path in flat}


def _prefixes(missing: list[str], unused: set[str]) -> list[str]:
  """Returns the prefixes of unused keys that are missing without the prefix."""
  return sorted(
    {
      key.removesuffix(f'.{wanted}')
      for wanted in missing
      for key in unused
      if key.endswith(f'.{wanted}')
    }
  )


def _torch_path(path: str) -> str:
  """Removes the collection from a path and gives the leaf its PyTorch name."""
  _, *modules, leaf = path.split('/')
  return '/'.join([*modules, _LEAVES.get(leaf, leaf)])


def _flax_layout(value: np.ndarray) -> np.ndarray:
  if value.ndim == 4:
    return value.transpose(2, 3, 1, 0)
  return value.T if value.ndim == 2 else value
