"""Readers of the official files of training sets, one module for each set."""

import importlib
import pkgutil

from acm_jax.datasets.sources.source import Source

_NOT_SETS = ('pascal', 'source')


def names() -> list[str]:
  """Returns the names of the data sets that can be read."""
  found = (module.name for module in pkgutil.iter_modules(__path__))
  return sorted(name for name in found if name not in _NOT_SETS)


def make(name: str) -> Source:
  """Returns the reader of a data set.

  Raises:
    ValueError: No data set has that name.
  """
  return _module(name).SOURCE


def described(name: str) -> str:
  """Returns a text that describes a data set and the layout of its files.

  Raises:
    ValueError: No data set has that name.
  """
  return _module(name).__doc__


def _module(name: str):
  if name not in names():
    raise ValueError(
      f'unknown data set {name!r}; choose one of {", ".join(names())}'
    )
  return importlib.import_module(f'{__name__}.{name}')
