"""Trackers by name: every folder of this package is a tracker."""

import dataclasses
import functools
import importlib
import inspect
import pkgutil

import jax

from acm_jax.tracking import wide
from acm_jax.tracking.contract import Tracker, Variables

DTYPES = ('float32', 'bfloat16')


def names() -> list[str]:
  """Returns the names of all trackers, which are the folders of the package."""
  return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.ispkg)


def make(
  name: str,
  *,
  wide_search: str = 'never',
  dtype: str = 'float32',
  **kwargs,
) -> Tracker:
  """Builds a tracker by name.

  Args:
    name: Name of the tracker.
    wide_search: Name of the rule that decides when to search a larger region:
      'never', 'long_term' or 'fast_motion', as in `tracking.wide`.
    dtype: Type that the network computes in, one of `DTYPES`. Weights and
      statistics stay float32.
    **kwargs: Arguments of the tracker's own `make`.

  Raises:
    ValueError: The name or an argument is unknown.
  """
  if name not in names():
    raise ValueError(
      f'unknown tracker {name!r}; choose from {", ".join(names())}'
    )
  if dtype not in DTYPES:
    raise ValueError(
      f'`dtype`={dtype!r}: unknown; choose from {", ".join(DTYPES)}'
    )
  module = importlib.import_module(f'{__name__}.{name}')
  # A TypeError in the tracker's own code is not about the arguments.
  try:
    inspect.signature(module.make).bind(**kwargs)
  except TypeError as error:
    raise ValueError(f'tracker {name}: {error}') from error
  tracker = module.make(**kwargs)
  if not tracker.smallest_side >= 0:
    raise ValueError(
      f'`smallest_side`={tracker.smallest_side}: give a number of pixels, at '
      'least 0'
    )
  return dataclasses.replace(
    tracker, wide_search=wide.make(wide_search), dtype=dtype
  )


@functools.lru_cache(maxsize=8)
def shapes(tracker: Tracker) -> Variables:
  """Returns the variables of a tracker's network as shapes, without values.

  The result is cached, because tracing a large network takes seconds.
  """
  return jax.eval_shape(tracker.init_variables, jax.random.key(0))
