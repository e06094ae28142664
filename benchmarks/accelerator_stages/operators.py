"""The repository's operators beside their grouped forms."""

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

# The larger first: at the smaller the device is half idle.
BATCH_SIZES = (64, 16)
SECONDS = 0.1
# Names that are timed in a rehearsal.
REHEARSED = ('dw_xcorr', 'depthwise 31x31x264')


def rows(settings: Settings) -> Iterator[Row]:
  """The rows of `acm_jax.timing.measure`, each with its batch size.

  The first one is of a single addition: what takes no longer than that is
  limited by the host, which has to start it.
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
  """The other forms that can be run here."""
  has_torch = importlib.util.find_spec('torch') is not None
  return {
    operator: {
      name: form for name, form in of.items() if has_torch or name != 'torch'
    }
    for operator, of in forms.OTHERS.items()
  }
