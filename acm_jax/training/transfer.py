"""Begins a run with weights and statistics of another one."""

import collections
from typing import Any

import jax
import numpy as np

from acm_jax.tracking.contract import Variables

_BACKBONE = 'backbone'
Path = tuple[str, ...]


def fill(variables: Variables, source: Variables) -> tuple[Variables, str]:
  """Replaces variables by those of the same path and shape elsewhere.

  The whole model if all of it is there, else what is there of its backbone.

  Args:
    variables: Of this run.
    source: Of the other.

  Returns:
    The variables, and a line that says what was filled: for every part of the
    network, arrays filled / arrays there are.

  Raises:
    ValueError: Nothing fits, or a value is not finite.
  """
  ours, theirs = _by_path(variables), _by_path(source)
  fits = {
    path
    for path, array in ours.items()
    if path in theirs and np.shape(theirs[path]) == np.shape(array)
  }
  if len(fits) < len(ours):
    fits = {path for path in fits if path[1] == _BACKBONE}
  if not fits:
    raise ValueError(
      '--init_from: nothing in it fits: neither the whole model nor arrays of '
      'a backbone have the names and shapes of this network'
    )
  for path in fits:
    if not np.isfinite(theirs[path]).all():
      raise ValueError(f'--init_from: {"/".join(path)} is not finite')

  def choose(path, array):
    path = _names(path)
    return theirs[path] if path in fits else array

  filled = jax.tree_util.tree_map_with_path(choose, variables)
  return filled, _summary(ours, fits)


def _summary(ours: dict[Path, Any], fits: set[Path]) -> str:
  everything = collections.Counter(path[1] for path in ours)
  taken = collections.Counter(path[1] for path in fits)
  parts = [f'{name} {taken[name]}/{everything[name]}' for name in sorted(taken)]
  return ', '.join(parts)


def _by_path(variables: Variables) -> dict[Path, Any]:
  leaves = jax.tree_util.tree_leaves_with_path(variables)
  return {_names(path): leaf for path, leaf in leaves}


def _names(path) -> Path:
  """Collection, part of the network, and the names below it."""
  return tuple(str(entry.key) for entry in path)
