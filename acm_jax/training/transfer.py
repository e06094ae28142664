"""Begins a run with weights and statistics of another one."""

import collections
from collections.abc import Collection
from typing import Any

import jax
import numpy as np

from acm_jax.tracking.contract import Variables

# Of the arrays that do not fit, as many are named.
_NAMED = 3
Path = tuple[str, ...]


def fill(variables: Variables, source: Variables) -> tuple[Variables, str]:
  """Replaces variables by those of the same path in another network.

  Args:
    variables: Of this run.
    source: Of the other network, which may have more parts or fewer.

  Returns:
    The variables, and a line that says what was filled: for every part of this
    network, arrays filled / arrays there are; then the modules that are new,
    and those of the other network that are left over.

  Raises:
    ValueError: Nothing fits, an array has another shape in the other network,
      or a value is not finite.
  """
  ours, theirs = _by_path(variables), _by_path(source)
  shared = [path for path in ours if path in theirs]
  if not shared:
    raise ValueError(
      '--init_from: nothing in it fits: no array has the name of one of this '
      'network'
    )
  _check_shapes({path: (theirs[path], ours[path]) for path in shared})
  for path in shared:
    if not np.isfinite(theirs[path]).all():
      raise ValueError(f'--init_from: {"/".join(path)} is not finite')

  def choose(path, array):
    return theirs.get(_names(path), array)

  filled = jax.tree_util.tree_map_with_path(choose, variables)
  return filled, _summary(ours, theirs, shared)


def _check_shapes(pairs: dict[Path, tuple[Any, Any]]) -> None:
  differ = [
    f'{"/".join(path)} {np.shape(other)} there, {np.shape(own)} here'
    for path, (other, own) in pairs.items()
    if np.shape(other) != np.shape(own)
  ]
  if differ:
    rest = len(differ) - _NAMED
    more = f'; and {rest} more' if rest > 0 else ''
    raise ValueError(
      f'--init_from: a network of another width: {"; ".join(differ[:_NAMED])}'
      f'{more}; set config.tracker to its sizes'
    )


def _summary(
  ours: Collection[Path], theirs: Collection[Path], shared: Collection[Path]
) -> str:
  everything = collections.Counter(path[1] for path in ours)
  taken = collections.Counter(path[1] for path in shared)
  parts = [f'{name} {taken[name]}/{everything[name]}' for name in sorted(taken)]
  text = ', '.join(parts)
  for label, paths in (('new', ours), ('left over', theirs)):
    if modules := _modules(set(paths) - set(shared), shared):
      text += f'; {label}: {", ".join(modules)}'
  return text


def _modules(paths: Collection[Path], others: Collection[Path]) -> list[str]:
  """The largest modules that hold only arrays of `paths`, of `others` none."""
  # Without the collection: a module has arrays in several.
  mixed = {path[1:end] for path in others for end in range(1, len(path))}
  found = set()
  for path in paths:
    names = path[1:]
    ends = range(1, len(names))
    end = next((end for end in ends if names[:end] not in mixed), None)
    found.add('/'.join(names[:end]) + ('/...' if end else ''))
  return sorted(found)


def _by_path(variables: Variables) -> dict[Path, Any]:
  leaves = jax.tree_util.tree_leaves_with_path(variables)
  return {_names(path): leaf for path, leaf in leaves}


def _names(path) -> Path:
  """Collection, part of the network, and the names below it."""
  return tuple(str(entry.key) for entry in path)
