"""Speed of the operators and of their alternative implementations."""

import functools
import importlib.util
import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from acm_jax.timing import operators
from acm_jax.timing.measure import Work, measure
from benchmarks import forms
from benchmarks.accelerator_stages.settings import Row, Settings

# The larger batch comes first, because it is more informative: the smaller one
# leaves the device half idle.
BATCH_SIZES = (64, 16)
SECONDS = 0.1
# Operators that a rehearsal times.
REHEARSED = ('dw_xcorr', 'depthwise 31x31x264')


def rows(settings: Settings) -> Iterator[Row]:
  """Yields the rows of `acm_jax.timing.measure`, each with its batch size.

  The first row times a single addition. An operator that is as fast as the
  addition is limited by the time that the host needs to launch it.
  """
  sizes, only, seconds, small = BATCH_SIZES, ('',), SECONDS, {}
  if settings.rehearse:
    sizes, only, seconds = (1,), REHEARSED, 0.0
    small = {'features': 8, 'search_cells': 9}
  parts = functools.partial(operators.fusions, **small), operators.depthwise
  for row in measure([_addition()], seconds=seconds):
    yield {'batch': 1, **row}
  for part, batch_size in itertools.product(parts, sizes):
    for work in part(_others(), batch_size, only):
      for row in measure([work], seconds=seconds):
        yield {'batch': batch_size, **row}


def _addition() -> Work:
  labels = {'operator': 'addition', 'type': 'float32', 'pass': 'forward'}
  run = functools.partial(jax.jit(lambda x: x + 1), jnp.float32(1))
  return Work(labels, {'ours': run})


def _others() -> operators.Others:
  """Returns the alternatives; those in PyTorch only if it is installed."""
  if importlib.util.find_spec('torch') is not None:
    return forms.OTHERS
  return {
    operator: {name: form for name, form in others.items() if name != 'torch'}
    for operator, others in forms.OTHERS.items()
  }
