"""Initial weights and statistics from another network."""

import collections
from collections.abc import Collection
from typing import Any, NamedTuple

import jax
import numpy as np

from acm_jax.tracking.contract import Variables

# Maximum number of arrays of the wrong shape that an error message lists.
_LISTED = 3


class Path(NamedTuple):
  """Path of an array in the variables of a network.

  Attributes:
    collection: `params` or `batch_stats`.
    names: Names of nested modules and of the array, starting with a part of the
      network, such as its backbone.
  """

  collection: str
  names: tuple[str, ...]

  def __str__(self) -> str:
    return '/'.join((self.collection, *self.names))


def fill(variables: Variables, source: Variables) -> tuple[Variables, str]:
  """Replaces variables with the arrays at the same paths in another network.

  Args:
    variables: Variables of this network.
    source: Variables of the other network, which may have more or fewer parts.

  Returns:
    The variables, and a summary in one line. For each part of this network in
    which arrays were replaced, the summary gives the number of replaced arrays
    and the number of all arrays in the part. After `new`, it lists the modules
    of this network that keep their values; after `unused`, the modules of the
    other network that are not used.

  Raises:
    ValueError: The networks have no path in common, two arrays with the same
      path differ in shape, or a value is not finite.
  """
  own, others = _by_path(variables), _by_path(source)
  shared = [path for path in own if path in others]
  if not shared:
    raise ValueError(
      '`init_from`: no array has the same path as an array of this network; '
      'choose a network with a part in common'
    )
  _check_shapes({path: (others[path], own[path]) for path in shared})
  for path in shared:
    if not np.isfinite(others[path]).all():
      raise ValueError(
        f'`init_from`: {path} has values that are not finite; choose another '
        'checkpoint'
      )

  def choose(keys, array):
    return others.get(_path(keys), array)

  filled = jax.tree_util.tree_map_with_path(choose, variables)
  return filled, _summary(own, others, shared)


def _check_shapes(pairs: dict[Path, tuple[Any, Any]]) -> None:
  """Checks that both arrays of each pair (other, own) have equal shapes."""
  differ = [
    f'{path} has shape {np.shape(other)} instead of {np.shape(own)}'
    for path, (other, own) in pairs.items()
    if np.shape(other) != np.shape(own)
  ]
  if differ:
    rest = len(differ) - _LISTED
    more = f', and {rest} more' if rest > 0 else ''
    raise ValueError(
      f'`init_from`: {", ".join(differ[:_LISTED])}{more}; set the sizes in '
      'config.tracker to those of the network in `init_from`'
    )


def _summary(
  own: Collection[Path], others: Collection[Path], shared: Collection[Path]
) -> str:
  total = collections.Counter(path.names[0] for path in own)
  replaced = collections.Counter(path.names[0] for path in shared)
  text = ', '.join(
    f'{part} {replaced[part]}/{total[part]}' for part in sorted(replaced)
  )
  for label, paths in (('new', own), ('unused', others)):
    if modules := _modules(set(paths) - set(shared), shared):
      text += f'; {label}: {", ".join(modules)}'
  return text


def _modules(paths: Collection[Path], others: Collection[Path]) -> list[str]:
  """Lists the outermost modules with arrays in `paths` but none in `others`.

  A module can have arrays in several collections.
  """
  mixed = {
    path.names[:end] for path in others for end in range(len(path.names))
  }
  modules = set()
  for path in paths:
    ends = range(1, len(path.names))
    end = next((end for end in ends if path.names[:end] not in mixed), None)
    modules.add('/'.join(path.names[:end]) + ('/...' if end else ''))
  return sorted(modules)


def _by_path(variables: Variables) -> dict[Path, Any]:
  leaves = jax.tree_util.tree_leaves_with_path(variables)
  return {_path(keys): leaf for keys, leaf in leaves}


def _path(keys: tuple[Any, ...]) -> Path:
  """Converts JAX's key path of a leaf to a `Path`."""
  collection, *names = (str(entry.key) for entry in keys)
  return Path(collection, tuple(names))
