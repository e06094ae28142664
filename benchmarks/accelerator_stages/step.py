"""Speed of the training step of whole trackers, in the last training phase."""

import functools
import importlib
import importlib.util
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from acm_jax.timing import steps
from acm_jax.timing.measure import Work, measure
from acm_jax.tracking.contract import Variables
from acm_jax.training.plan import Plan, make_plan
from benchmarks.accelerator_stages import device
from benchmarks.accelerator_stages.settings import Row, Settings
from tests import variables

# Keys are precisions of a config; values are keys of `device.TYPES`.
PRECISIONS = {
  'bfloat16': 'bfloat16',
  'default': 'float32 (default)',
  'highest': 'float32 (highest)',
}
# For each config: pairs of batch sizes and a precision, in order of compile
# time. If there are several batch sizes, only the first one that fits into
# memory is timed.
WANTED = {
  'nanotrack': (((128,), 'bfloat16'), ((128,), 'default')),
  'siamban_acm': (
    ((32,), 'bfloat16'),
    ((32,), 'default'),
    ((128, 64), 'bfloat16'),
    ((128, 64), 'default'),
    ((32,), 'highest'),
  ),
}
REHEARSED, TOY = {'siamban_acm': (((2,), 'default'),)}, 'quickstart,tiny'
SECONDS = 1.5


def rows(settings: Settings) -> Iterator[Row]:
  """Yields a row for every tracker, batch size and precision."""
  # JAX may use almost all of the memory: the largest batches need it, and no
  # other process uses the device.
  os.environ['XLA_PYTHON_CLIENT_MEM_FRACTION'] = '0.92'
  for name, wanted in (REHEARSED if settings.rehearse else WANTED).items():
    if importlib.util.find_spec(f'configs.{name}') is None:
      continue
    module = importlib.import_module(f'configs.{name}')
    argument = TOY if settings.rehearse else None
    config = module.get_config(argument).to_dict()
    weights = variables.fill(make_plan(config).tracker.init_variables)
    for sizes, precision in wanted:
      plan = plan_of(config, precision)
      labels = {'network': name, 'form': 'jax', 'type': PRECISIONS[precision]}
      peak = device.peak(settings, labels['type'])
      with jax.default_matmul_precision(precision):
        for row in _first_that_fits(plan, weights, sizes, peak):
          yield labels | row


def plan_of(config: Mapping[str, Any], precision: str) -> Plan:
  """Makes the plan of a config, with its precision replaced.

  Args:
    config: Sections of the config.
    precision: Key of `PRECISIONS`.
  """
  tracker = config['tracker'] | {'dtype': dtype_of(precision)}
  return make_plan({**config, 'tracker': tracker, 'precision': precision})


def dtype_of(precision: str) -> str:
  """Returns the dtype of a network for a key of `PRECISIONS`."""
  return 'bfloat16' if precision == 'bfloat16' else 'float32'


def _first_that_fits(
  plan: Plan, weights: Variables, sizes: Sequence[int], peak: float | None
) -> Iterator[Row]:
  """Yields the timing for the first batch size that fits into memory.

  Before that, yields a row with the error for each batch size that does not
  fit.
  """
  for batch_size in sizes:
    try:
      figures = _figures(plan, weights, batch_size)
    except jax.errors.JaxRuntimeError as error:
      yield {'batch': batch_size, 'error': str(error).split('\n')[0][:200]}
      continue
    yield {'batch': batch_size, **figures, **rates(figures, peak)}
    return


def rates(figures: Row, peak: float | None) -> Row:
  """Computes the TFLOP/s of a step, absolute and relative to `peak`.

  Args:
    figures: Row with `tflop`, the work of a step, and `least_ms`, its time.
    peak: TFLOP/s of a matrix product, if known.
  """
  rate = figures['tflop'] / figures['least_ms'] * 1e3
  return {
    'tflops': round(rate, 3),
    'share_of_peak': round(rate / peak, 3) if peak else None,
  }


def _figures(plan: Plan, weights: Variables, batch_size: int) -> Row:
  tracker, phase = plan.tracker, plan.phases[-1]
  step, before = steps.training(tracker, weights, phase)
  raw = steps.batch_of(tracker, batch_size)
  before, raw = jax.device_put((before, raw))
  begun = time.perf_counter()
  lowered = step.lower(before, raw)
  compiled = lowered.compile()
  compile_seconds = time.perf_counter() - begun
  work = Work({}, {'jax': functools.partial(compiled, before, raw)})
  (row,) = measure([work], seconds=SECONDS)
  return {
    'compile_s': round(compile_seconds, 1),
    **timing(row, batch_size),
    # Operations are counted in the program before compilation. Later, XLA
    # replaces convolutions by library calls, whose operations it does not
    # count.
    'tflop': round(lowered.cost_analysis()['flops'] / 1e12, 4),
  }


def timing(row: Row, batch_size: int) -> Row:
  """Selects the times in a row of `measure`, and adds the pairs per second."""
  return {
    'median_ms': row['median_ms'],
    'least_ms': row['least_ms'],
    'rounds': row['rounds'],
    'pairs_per_s': round(batch_size / row['least_ms'] * 1e3, 1),
  }
