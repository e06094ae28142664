"""Trackers, found by their folder's name."""

import importlib
import pkgutil

from acm_jax.tracking.contract import Tracker


def names() -> list[str]:
  """The trackers there are: the folders beside this file."""
  return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.ispkg)


def make(name: str, **kwargs) -> Tracker:
  """Builds a tracker by name, from the keyword arguments of its `make`.

  Raises:
    ValueError: The name or an argument is unknown.
  """
  if name not in names():
    raise ValueError(f'no tracker {name!r}: there are {", ".join(names())}')
  module = importlib.import_module(f'{__name__}.{name}')
  try:
    return module.make(**kwargs)
  except TypeError as error:
    raise ValueError(f'tracker {name}: {error}') from error
