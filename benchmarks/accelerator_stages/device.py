"""Properties of the device, and its speed of multiplying matrices."""

import importlib.util
from collections.abc import Callable, Iterator

import jax

from acm_jax.timing import peak as peaks
from acm_jax.timing.measure import Work, measure
from benchmarks.accelerator_stages.settings import Row, Settings

SIDE, REHEARSED_SIDE = 8192, 256
# Keys are labels. Values are the type of the matrices and the precision of
# their product.
TYPES = {
  'bfloat16': ('bfloat16', 'default'),
  'float32 (default)': ('float32', 'default'),
  'float32 (highest)': ('float32', 'highest'),
}


def rows(settings: Settings) -> Iterator[Row]:
  """Yields a row with the device, then a row for each type and framework."""
  side = REHEARSED_SIDE if settings.rehearse else SIDE
  has_torch = importlib.util.find_spec('torch') is not None
  yield _device(has_torch)
  for name, (dtype, precision) in TYPES.items():
    forms = {'jax': peaks.product(side, dtype, precision)}
    if has_torch and precision == 'default':
      forms['torch'] = _in_torch(side, dtype)
    labels = {'type': name, 'side': str(side)}
    for row in measure([Work(labels, forms)], seconds=0.5):
      yield row | {'tflops': round(2 * side**3 / row['least_ms'] / 1e9, 2)}


def peak(settings: Settings, kind: str) -> float | None:
  """Returns the TFLOP/s of JAX's matrix product, from the stage `device`.

  Returns None if the stage has not run.

  Args:
    settings: Settings with the rows of earlier stages.
    kind: Key of `TYPES`.
  """
  for row in settings.earlier.get('device', ()):
    if row.get('type') == kind and row['form'] == 'jax':
      return row['tflops']
  return None


def _device(has_torch: bool) -> Row:
  device = jax.devices()[0]
  memory = (device.memory_stats() or {}).get('bytes_limit', 0)
  row = {
    'device': device.device_kind,
    'devices': jax.device_count(),
    'platform': ' '.join(device.client.platform_version.split()),
    'memory for jax, GiB': round(memory / 2**30, 1),
  }
  if has_torch:
    import torch

    row |= {'torch': torch.__version__, 'cuda of torch': torch.version.cuda}
  return row


def _in_torch(side: int, dtype: str) -> Callable:
  import torch

  from benchmarks.torch_steps.device import DEVICE, Pending

  # PyTorch's counterpart of JAX's default precision.
  torch.set_float32_matmul_precision('high')
  # The values are random, because some devices are faster on zeros.
  x = torch.randn(side, side).to(DEVICE, getattr(torch, dtype))

  def run():
    torch.mm(x, x)
    return Pending()

  return run
