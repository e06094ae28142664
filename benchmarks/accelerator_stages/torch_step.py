"""Speed of SiamBAN-ACM's training step in PyTorch, to compare with `step`."""

import importlib.util
from collections.abc import Iterator

import jax

from acm_jax.timing.measure import Work, measure
from benchmarks.accelerator_stages import device, step
from benchmarks.accelerator_stages.settings import Row, Settings
from data_pipelines import batch

NETWORK = 'siamban_acm'
# Number of stages of the backbone, including the stem, that do not train, as in
# the last phase of the config.
FROZEN = 2
# Batch sizes, form and type to time; the most informative entries come first.
# If there are several batch sizes, only the first one that fits into memory is
# timed.
WANTED = (
  ((32,), 'eager, channels_last', 'bfloat16'),
  ((128, 64), 'eager, channels_last', 'bfloat16'),
  ((128, 64), 'compiled, channels_last', 'bfloat16'),
  ((32,), 'eager, channels_last', 'float32 (default)'),
  ((32,), 'compiled, channels_last', 'bfloat16'),
)
REHEARSED = (((2,), 'eager', 'float32 (default)'),)


def rows(settings: Settings) -> Iterator[Row]:
  """Yields a row for every form; `ratio` is the time relative to JAX."""
  if importlib.util.find_spec('torch') is None:
    yield {'skipped': 'PyTorch is not installed'}
    return
  import torch

  # JAX must leave the device's memory to PyTorch.
  jax.config.update('jax_platforms', 'cpu')
  for sizes, form, kind in REHEARSED if settings.rehearse else WANTED:
    for batch_size in sizes:
      labels = {'network': NETWORK, 'form': f'pytorch, {form}'}
      labels |= {'batch': batch_size, 'type': kind}
      try:
        figures = _figures(settings, batch_size, form, kind)
      except torch.OutOfMemoryError as error:
        yield labels | {'error': str(error).split('\n')[0][:200]}
        continue
      yield labels | figures | _compared(settings, labels, figures)
      break


def _compared(settings: Settings, labels: Row, figures: Row) -> Row:
  """Compares a step in PyTorch with the step in JAX that has equal labels.

  Returns:
    TFLOP/s, and the time relative to JAX; empty if the stage `step` has not
    timed such a step.
  """
  same = ('network', 'batch', 'type')
  for ours in settings.earlier.get('step', ()):
    if 'error' not in ours and all(ours[key] == labels[key] for key in same):
      peak = device.peak(settings, labels['type'])
      ratio = figures['least_ms'] / ours['least_ms']
      return step.rates(ours | figures, peak) | {'ratio': round(ratio, 3)}
  return {}


def _figures(settings: Settings, batch_size: int, form: str, kind: str) -> Row:
  from benchmarks.torch_networks import REFERENCES, TEMPLATE_SIZE
  from benchmarks.torch_steps.training import training

  reference = REFERENCES[NETWORK]
  run = training(
    reference,
    reference.make(**(reference.narrow if settings.rehearse else {})),
    batch.fake(batch_size, TEMPLATE_SIZE, reference.search_size),
    bfloat16=kind == 'bfloat16',
    channels_last='channels_last' in form,
    compiled='compiled' in form,
    frozen=FROZEN,
  )
  # The first steps are not timed, because PyTorch chooses its algorithms in
  # them.
  for _ in range(0 if settings.rehearse else 2):
    run()
  (row,) = measure([Work({}, {form: run})], seconds=step.SECONDS)
  return step.timing(row, batch_size)
