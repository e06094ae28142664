"""State dicts in checkpoints: entries around them, and prefixes of their keys.

Codebases name entries and prefixes as they like. Hence the contents decide: a
state dict is a mapping from paths to arrays, and a prefix is removed if more of
the keys are those of the network without it. Names only matter where a
checkpoint has several state dicts.
"""

import collections
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

import numpy as np

from acm_jax.weights.excerpt import excerpt

# Words of which the names of entries with the weights of a model consist, such
# as `state_dict`, `netState` and `MODEL-WEIGHTS`.
_WEIGHTS = r'model|module|network|net|state|dict|weights?|param(eter)?s?'
# Words that are added for averages of the weights over training steps.
_AVERAGE = r'(ema|swa|avg|averaged?|shadow)+'
# Part of a key that torch inserts when it wraps a module, at any depth, such as
# `module`, `_orig_mod` and `_fsdp_wrapped_module`. Networks have no such names.
_INSERTED = r'module|_\w*mod(ule)?'


class StateDict(NamedTuple):
  """State dict in a checkpoint.

  Attributes:
    entry: Names of the nested entries around the state dict.
    arrays: Dictionary from keys to arrays.
    ignored: Names of all other entries of the checkpoint.
  """

  entry: tuple[str, ...]
  arrays: dict[str, Any]
  ignored: frozenset[str]


def unwrap(content: Any) -> StateDict:
  """Finds the state dict in a checkpoint.

  Of several state dicts, one is taken whose entry is named like the weights of
  a model; an average of the weights (`ema`) only if there are no others. Parts
  of keys that torch inserts, such as `module.`, are removed.

  Args:
    content: State dict, or nested mappings and lists around it. Every value
      with a `dtype` and a `shape` counts as an array.

  Raises:
    ValueError: The checkpoint has no state dict, or several that differ; or two
      keys with different values are equal without the parts that torch inserts.
  """
  found = list(_state_dicts(content))
  # Other arrays have plain names: moments of an optimizer, curves of a loss.
  found = [x for x in found if any('.' in key for key in x.arrays)] or found
  if not found:
    what = f', but an object of the type {type(content).__name__}'
    if isinstance(content, Mapping):
      entries = excerpt([*map(str, content)]) or 'none'
      what = f' (first entries: {entries})'
    raise ValueError(
      f'contains no state dict{what}; save only the state dict of the model'
    )
  best = min(_rank(x.entry) for x in found)
  first, *others = (
    x._replace(arrays=_renamed(x.arrays, _without_inserted))
    for x in found
    if _rank(x.entry) == best
  )
  if not all(_equal(first.arrays, other.arrays) for other in others):
    names = ['.'.join(x.entry) or 'the file itself' for x in (first, *others)]
    raise ValueError(
      f'contains several state dicts, which differ ({excerpt(names)}); save '
      'the one that is meant to a file of its own'
    )
  return first


def fitting(
  arrays: Mapping[str, Any],
  adapt: Callable[[Mapping[str, Any]], Mapping[str, Any]],
  known: Set[str],
) -> Mapping[str, Any]:
  """Adapts a state dict, without the prefix around the network, if any.

  Of the prefixes that many keys share, such as `tracker.`, the one is removed
  without which most keys are known. None is removed if that is no better. Of
  several networks that fit alike, one is taken whose prefix is named like a
  model; an average of the weights (`ema_model.`) only if there are no others.

  Args:
    arrays: State dict.
    adapt: Function that renames the keys to those of the network, and raises
      ValueError if it cannot.
    known: Keys of the network.

  Raises:
    ValueError: No key fits, and `adapt` says why; or several networks fit.
  """
  fits, errors = {}, []
  for prefix in ('', *_prefixes(arrays)):
    try:
      adapted = adapt(
        _renamed(arrays, lambda key, prefix=prefix: key.removeprefix(prefix))
      )
    except ValueError as error:
      errors.append(error)
    else:
      fits[prefix] = adapted, len(known & adapted.keys())
  most = max((count for _, count in fits.values()), default=0)
  if errors and not most:
    raise errors[0]
  # The shortest of nested prefixes that fit alike is enough.
  best: list[str] = []
  for prefix, (_, count) in fits.items():
    if count == most and not any(map(prefix.startswith, best)):
      best.append(prefix)
  ranks = {prefix: _rank((*prefix.split('.')[:-1],)) for prefix in best}
  chosen, *others = (p for p in best if ranks[p] == min(ranks.values()))
  if others:
    names = excerpt([chosen, *others])
    raise ValueError(
      f'`weights`: several networks fit ({names}); save the state dict of the '
      'one that is meant'
    )
  return fits[chosen][0]


def _state_dicts(content: Any) -> Iterator[StateDict]:
  """Yields all mappings that hold arrays, the inner ones first."""
  if isinstance(content, list | tuple):
    content = dict(enumerate(content))
  if not isinstance(content, Mapping):
    return
  for name, value in content.items():
    others = {str(key) for key in content if key != name}
    for inner in _state_dicts(value):
      entry = (str(name), *inner.entry)
      yield StateDict(entry, inner.arrays, inner.ignored | others)
  arrays = {
    key: value
    for key, value in content.items()
    if isinstance(key, str) and _is_array(value)
  }
  # Arrays without dimensions are counters or scores.
  if any(value.ndim for value in arrays.values()):
    others = frozenset(str(key) for key in content if key not in arrays)
    yield StateDict((), arrays, others)


def _is_array(value: Any) -> bool:
  # Scalars of NumPy have a shape, too.
  return hasattr(value, 'shape') and not isinstance(value, np.generic)


def _rank(entry: tuple[str, ...]) -> int:
  """Returns 0 for weights of a model, 1 for other names, and 2 for averages."""
  names = (re.sub(r'[\W_]', '', name.lower()) for name in entry)
  rests = [re.sub(_WEIGHTS, '', name) for name in names]
  if any(re.fullmatch(_AVERAGE, rest) for rest in rests):
    return 2
  return int(any(rests) or not entry)


def _without_inserted(key: str) -> str:
  parts = key.split('.')
  kept = [part for part in parts if not re.fullmatch(_INSERTED, part)]
  return '.'.join(kept) or key


def _prefixes(keys: Iterable[str]) -> list[str]:
  """Returns the prefixes that more than a quarter of the keys share, by length.

  There may be a few networks beside each other, such as a model and an average.
  """
  keys = list(keys)
  counts = collections.Counter(
    key[: dot.end()] for key in keys for dot in re.finditer(r'\.', key)
  )
  shared = (prefix for prefix, n in counts.items() if 4 * n > len(keys))
  return sorted(shared, key=len)


def _renamed(
  arrays: Mapping[str, Any], rename: Callable[[str], str]
) -> dict[str, Any]:
  """Renames the keys of a state dict.

  Raises:
    ValueError: Two keys with different values get the same name.
  """
  result, keys = {}, {}
  for key, value in arrays.items():
    bare = rename(key)
    if bare in keys and not np.array_equal(result[bare], value):
      raise ValueError(
        f'{keys[bare]} and {key} are both {bare} without their prefixes, but '
        'their values differ; save the state dict of one of the two models'
      )
    keys.setdefault(bare, key)
    result.setdefault(bare, value)
  return result


def _equal(first: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
  return first.keys() == other.keys() and all(
    np.array_equal(value, other[key]) for key, value in first.items()
  )
