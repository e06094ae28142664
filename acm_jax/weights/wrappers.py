"""Wrappers of a state dict: entries around it, and prefixes of its keys."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

# Entries of checkpoints that hold the weights of a model, most specific first.
# The same names are prefixes of keys if the model is a part of another module.
_MODEL = (
  'state_dict',
  'model_state_dict',
  'model.state_dict',
  'model_state',
  'model',
  'network_state_dict',
  'network',
  'net_state_dict',
  'net',
  'module',
  'weights',
  'params',
)
# Entries that hold averages of the weights over training steps.
_AVERAGE = (
  'state_dict_ema',
  'ema_state_dict',
  'model_ema_state_dict',
  'model_ema',
  'ema_model',
  'params_ema',
  'ema',
)
# Parts of keys that torch inserts when it wraps a module, at any depth. The
# modules of networks have no such names.
_INSERTED = {
  'module',
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
}

# Maximum number of entries that an error message lists.
_LISTED = 8


class StateDict(NamedTuple):
  """State dict in a checkpoint.

  Attributes:
    entry: Names of the nested entries around the state dict.
    arrays: Dictionary from keys without prefixes to arrays.
    ignored: Names of all other entries of the checkpoint.
  """

  entry: tuple[str, ...]
  arrays: dict[str, Any]
  ignored: frozenset[str]


def unwrap(content: Mapping[Any, Any]) -> StateDict:
  """Finds the state dict in a checkpoint, and removes prefixes from its keys.

  An average of the weights (`ema`) is taken only if the checkpoint has no other
  weights.

  Args:
    content: State dict, or nested mappings around it. Every value with a
      `dtype` and a `shape` counts as an array.

  Raises:
    ValueError: The checkpoint has no state dict, or several with different
      values for a key, or two keys with different values are equal without
      their prefixes.
  """
  found = list(_state_dicts(content))
  if not found:
    entries = [*map(str, content)][:_LISTED] or ['none']
    raise ValueError(
      f'contains no state dict (first entries: {", ".join(entries)}); save '
      'only the state dict of the model'
    )
  first, *others = found
  for other in others:
    if not set(_AVERAGE) & set(other.entry):
      _check_equal(first, other)
  return first


def without_prefixes(arrays: Mapping[str, Any]) -> dict[str, Any]:
  """Removes the prefixes of wrappers from keys, such as `module.` and `model.`.

  Prefixes may be repeated and mixed.

  Raises:
    ValueError: Two keys with different values are equal without their prefixes.
  """
  result, keys = {}, {}
  for key, value in arrays.items():
    bare = _without_prefix(key)
    if bare in keys and not np.array_equal(result[bare], value):
      raise ValueError(
        f'{keys[bare]} and {key} are both {bare} without their prefixes, but '
        'their values differ; save the state dict of one of the two models'
      )
    keys.setdefault(bare, key)
    result.setdefault(bare, value)
  return result


def _state_dicts(content: Mapping[Any, Any]) -> Iterator[StateDict]:
  """Yields the state dicts in a checkpoint, averages of weights last."""
  wrapped = False
  for name in (*_MODEL, *_AVERAGE):
    if isinstance(content.get(name), Mapping):
      others = {str(key) for key in content if key != name}
      for inner in _state_dicts(content[name]):
        wrapped = True
        entry = (name, *inner.entry)
        yield StateDict(entry, inner.arrays, inner.ignored | others)
  arrays = {
    key: value
    for key, value in content.items()
    if isinstance(key, str) and _is_array(value)
  }
  if arrays and not wrapped:
    others = frozenset(str(key) for key in content if key not in arrays)
    yield StateDict((), without_prefixes(arrays), others)


def _is_array(value: Any) -> bool:
  # Scalars of NumPy have a shape, too.
  return hasattr(value, 'shape') and not isinstance(value, np.generic)


def _without_prefix(key: str) -> str:
  parts = [part for part in key.split('.') if part not in _INSERTED]
  while len(parts) > 1 and parts[0] in (*_MODEL, *_AVERAGE):
    del parts[0]
  return '.'.join(parts) or key


def _check_equal(first: StateDict, other: StateDict) -> None:
  """Checks that two state dicts have equal values for their common keys."""
  for key in first.arrays.keys() & other.arrays.keys():
    if not np.array_equal(first.arrays[key], other.arrays[key]):
      names = ' and '.join('.'.join(x.entry) for x in (first, other))
      raise ValueError(
        f'the entries {names} have different values for the same key {key}; '
        'save the entry that is meant to a file of its own'
      )
