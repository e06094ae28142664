"""The training step of SiamBAN-ACM in PyTorch, beside that of `step`."""

import functools
from collections.abc import Iterator

import jax

from acm_jax.timing.measure import Work, measure
from benchmarks.accelerator_stages import device, step
from benchmarks.accelerator_stages.settings import Row, Settings
from data_pipelines import batch

NETWORK, TEMPLATE_SIZE, SEARCH_SIZE = 'siamban_acm', 127, 255
# Stem and first stage do not train, as in the last phase of the config.
FROZEN = 2
# Batch size and form, the most telling ones first.
WANTED = (
  (32, 'eager, channels_last', 'bfloat16'),
  (32, 'compiled, channels_last', 'bfloat16'),
  (128, 'compiled, channels_last', 'bfloat16'),
  (32, 'eager, channels_last', 'float32 (default)'),
  (128, 'eager, channels_last', 'bfloat16'),
)
REHEARSED = ((2, 'eager', 'float32 (default)'),)


def rows(settings: Settings) -> Iterator[Row]:
  """A row for every form; `ratio` is its time over ours of the same type.

  Raises:
    ModuleNotFoundError: PyTorch is not installed.
  """
  import torch

  # The device's memory is PyTorch's.
  jax.config.update('jax_platforms', 'cpu')
  for batch_size, form, kind in REHEARSED if settings.rehearse else WANTED:
    labels = {'network': NETWORK, 'form': f'pytorch, {form}'}
    labels |= {'batch': batch_size, 'type': kind}
    ours = _ours(settings, batch_size, kind)
    try:
      figures = _figures(settings, batch_size, form, kind)
    except torch.OutOfMemoryError as error:
      yield labels | {'error': str(error).split('\n')[0][:200]}
      continue
    if ours:
      figures |= {
        **step.shares(ours | figures, device.peak(settings, kind)),
        'ratio': round(figures['median_ms'] / ours['median_ms'], 3),
      }
    yield labels | figures


def _ours(settings: Settings, batch_size: int, kind: str) -> Row | None:
  wanted = {'network': NETWORK, 'batch': batch_size, 'type': kind}
  for row in settings.earlier.get('step', ()):
    if wanted.items() <= row.items() and 'error' not in row:
      return row
  return None


def _figures(settings: Settings, batch_size: int, form: str, kind: str) -> Row:
  from benchmarks import pytorch

  network = pytorch.Network
  if settings.rehearse:
    network = functools.partial(network, channels=4, hidden=8)
  made = pytorch.Form(
    bfloat16=kind == 'bfloat16',
    channels_last='channels_last' in form,
    compiled='compiled' in form,
    frozen=FROZEN,
    network=network,
  )
  run = made(batch.fake(batch_size, TEMPLATE_SIZE, SEARCH_SIZE))
  # PyTorch chooses its algorithms in the first steps.
  for _ in range(0 if settings.rehearse else 2):
    run()
  (row,) = measure([Work({}, {form: run})], seconds=step.SECONDS)
  return step.timing(row, batch_size)
