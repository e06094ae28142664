"""Readers of the training sets' official files, one file for each set."""

import importlib
import pkgutil

from acm_jax.datasets.sources.source import Source

_NOT_SETS = ('pascal', 'source')


def names() -> list[str]:
  """The data sets that can be read."""
  found = (module.name for module in pkgutil.iter_modules(__path__))
  return sorted(name for name in found if name not in _NOT_SETS)


def make(name: str) -> Source:
  """The reader of a data set.

  Raises:
    ValueError: There is none of that name.
  """
  return _module(name).SOURCE


def described(name: str) -> str:
  """What a data set is, and the layout that its files must have.

  Raises:
    ValueError: There is none of that name.
  """
  return _module(name).__doc__


def _module(name: str):
  if name not in names():
    raise ValueError(f'no data set {name!r}: there are {", ".join(names())}')
  return importlib.import_module(f'{__name__}.{name}')
