"""Times the kernels of whole training steps, including augmentation.

For each step, a row has the time to compile it and the time that it takes. The
rows after it have the kernels that take the longest. The optimized program is
written to OUT/NETWORK_PRECISION.hlo.gz. On a GPU, the environment variable
XLA_FLAGS must contain --xla_gpu_enable_command_buffer= (with an empty value),
because kernels in command buffers may lack the names of their operations.
"""

import collections
import gzip
import importlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax

from acm_jax.timing.measure import Work, measure
from acm_jax.training import state as states
from acm_jax.training.plan import Plan
from benchmarks.accelerator_stages import step
from benchmarks.accelerator_stages.settings import Row, Settings
from data_pipelines import batch
from tests import variables

# Name of a config, its argument, number of pairs, and precision.
WANTED = (
  ('nanotrack_acm', 'whole', 64, 'default'),
  ('siamban_acm', None, 32, 'bfloat16'),
  ('nanotrack_acm', 'whole', 64, 'bfloat16'),
)
REHEARSED = (('siamban_acm', 'quickstart,tiny', 2, 'default'),)
SECONDS, CALLS, LISTED = 1.0, 5, 25
# Number of characters at the end of an operation's path in the network.
PATH = 110
_OPERATION = re.compile(r'%?([\w.-]+) = [^\n]*?op_name="([^"]*)"')


class Kernel(NamedTuple):
  """Device time of an operation of a program.

  Attributes:
    name: Name of the operation in the optimized program.
    ms: Time per call of the program, ms.
    calls: Number of executions per call of the program.
  """

  name: str
  ms: float
  calls: float


def rows(settings: Settings) -> Iterator[Row]:
  """Yields a row for every step, and then rows for its kernels."""
  wanted = REHEARSED if settings.rehearse else WANTED
  for name, argument, size, precision in wanted:
    config = importlib.import_module(f'configs.{name}').get_config(argument)
    plan = step.plan_of(config.to_dict(), precision)
    labels = {'network': name, 'type': step.PRECISIONS[precision]}
    file = settings.out / f'{name}_{precision}.hlo.gz'
    with jax.default_matmul_precision(precision):
      for row in _step(plan, size, file):
        yield labels | row


def _step(plan: Plan, size: int, file: Path) -> Iterator[Row]:
  phase, weights = plan.phases[-1], variables.fill(plan.tracker.init_variables)
  optimizer = plan.optimizer_of(phase)
  averaged = plan.train.ema_decay > 0
  state = states.create(weights, optimizer, averaged=averaged)
  raw = batch.fake(
    size, plan.crop_sides['template_side'], plan.crop_sides['search_side']
  )
  state, raw = jax.device_put((state, raw))
  begun = time.perf_counter()
  take = jax.jit(plan.step_function(phase))
  compiled = take.lower(state, raw, plan.key).compile()
  compile_seconds = round(time.perf_counter() - begun, 1)
  text = compiled.as_text()
  with gzip.open(file, 'wt') as stream:
    stream.write(text)

  def run():
    return compiled(state, raw, plan.key)

  (row,) = measure([Work({}, {'': run})], seconds=SECONDS)
  kernels = profile(run)
  yield {
    'batch': size,
    'compile_s': compile_seconds,
    **step.timing(row, size),
    'kernels': len(kernels),
    'sum_ms': round(sum(kernel.ms for kernel in kernels), 3),
  }
  operations = dict(_OPERATION.findall(text))
  for kernel in kernels[:LISTED]:
    yield {
      'kernel': kernel.name,
      'ms': round(kernel.ms, 4),
      'calls': round(kernel.calls, 2),
      'operation': operations.get(kernel.name, '')[-PATH:],
    }


def profile(run: Callable[[], object]) -> list[Kernel]:
  """Runs a compiled program `CALLS` times under JAX's profiler.

  Args:
    run: Function that calls the program.

  Returns:
    The program's kernels, those that take the longest first.
  """
  total, count = collections.Counter(), collections.Counter()
  with tempfile.TemporaryDirectory() as folder:
    with jax.profiler.trace(folder):
      for _ in range(CALLS):
        jax.block_until_ready(run())
    (file,) = Path(folder).rglob('*.xplane.pb')
    planes = list(jax.profiler.ProfileData.from_file(str(file)).planes)
  # On a GPU, only the lines of streams have kernels; the others repeat them.
  lines = [line for plane in planes for line in plane.lines]
  streams = [line for line in lines if line.name.startswith('Stream')]
  for line in streams or lines:
    for event in line.events:
      # Events of the host have no operation, copies on the device neither.
      default = event.name if streams else None
      if name := dict(event.stats).get('hlo_op', default):
        total[name] += event.duration_ns
        count[name] += 1
  return [
    Kernel(name, ns / 1e6 / CALLS, count[name] / CALLS)
    for name, ns in total.most_common()
  ]
