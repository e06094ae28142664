"""Trackers, found by their folder's name."""

import dataclasses
import importlib
import pkgutil

from acm_jax.tracking import wide
from acm_jax.tracking.contract import Tracker


def names() -> list[str]:
  """The trackers there are: the folders beside this file."""
  return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.ispkg)


def make(
  name: str,
  *,
  wide_search: str = 'never',
  precision: str = 'default',
  **kwargs,
) -> Tracker:
  """Builds a tracker by name.

  Args:
    name: A folder beside this file.
    wide_search: When a larger region is searched; see `tracking.wide`.
    precision: Of the config; with 'bfloat16' the network computes in that type
      and not its matrix products alone.
    kwargs: Arguments of the tracker's own `make`.

  Raises:
    ValueError: The name or an argument is unknown.
  """
  if name not in names():
    raise ValueError(f'no tracker {name!r}: there are {", ".join(names())}')
  module = importlib.import_module(f'{__name__}.{name}')
  try:
    tracker = module.make(**kwargs)
  except TypeError as error:
    raise ValueError(f'tracker {name}: {error}') from error
  return dataclasses.replace(
    tracker,
    wide_search=wide.make(wide_search),
    dtype='bfloat16' if precision == 'bfloat16' else 'float32',
  )
