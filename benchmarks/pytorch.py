"""Training and tracking steps of every reference network in PyTorch.

The networks (benchmarks/torch_networks) have the state-dict keys and outputs of
the official code (tests/benchmarks/networks_test.py), and the trackers around
them (benchmarks/numpy_trackers.py) its boxes. The steps
(benchmarks/torch_steps) run in processes of their own, one per form:

    pytorch, N threads   float32 on a CPU
    pytorch              float32 on a GPU
    pytorch bfloat16     convolutions in bfloat16 on a GPU, by autocast

On a GPU, JAX reserves three quarters of the memory, unless the environment
variable XLA_PYTHON_CLIENT_MEM_FRACTION is set.

Every process uses the faster one of PyTorch's two memory layouts, which the
column `note` of the report names. This file does not import PyTorch.

Example:

  acm-jax speed --part step --only siamban_acm --batch_size 2 \\
    --against benchmarks/pytorch.py --out steps.json
"""

import functools
import json
import os
import sys
from pathlib import Path

import jax

from acm_jax.timing.worker import Worker

_ROOT = Path(__file__).resolve().parents[1]
_WORKER = (sys.executable, '-m', 'benchmarks.torch_steps.worker')
# Names of the networks, as in benchmarks/torch_networks.
NETWORKS = (
  'siamban_acm',
  'siamban',
  'siamrpn',
  'siamrpn:backbone=mobilenet_v2',
  'siamrpn:backbone=alexnet_legacy',
  'siamfc',
  'nanotrack',
)


def _worker(
  network: str,
  step: str,
  size: int | tuple[int, int],
  *,
  bfloat16: bool = False,
  threads: int | None = None,
) -> Worker:
  """Returns the process of one form.

  Args:
    network: Name of the network.
    step: 'train' or 'track'.
    size: Number of pairs, or height and width of the frame, px.
    bfloat16: Whether convolutions compute in bfloat16.
    threads: Number of threads on the CPU; None for a GPU.
  """
  request = {
    'network': network,
    'step': step,
    'size': size,
    'bfloat16': bfloat16,
    'device': 'cpu' if threads else 'cuda',
  }
  environment = {}
  if threads:
    environment = {
      # Bound to their cores, threads keep their caches.
      'OMP_NUM_THREADS': str(threads),
      'OMP_PROC_BIND': 'true',
      # Freed memory is kept, as by `acm_jax.tracking.programs.reuse_memory`;
      # this takes up to a fifth off a training step in PyTorch.
      'MALLOC_MMAP_MAX_': '0',
      'MALLOC_TRIM_THRESHOLD_': str(2**62),
    }
  return Worker([*_WORKER, json.dumps(request)], environment, _ROOT)


def _forms() -> dict[str, dict[str, object]]:
  """Returns the forms on JAX's device; values are settings of `_worker`."""
  if jax.default_backend() != 'cpu':
    return {'pytorch': {}, 'pytorch bfloat16': {'bfloat16': True}}
  counts = sorted({1, len(os.sched_getaffinity(0))})
  return {
    f'pytorch, {count} thread{"s" if count > 1 else ""}': {'threads': count}
    for count in counts
  }


OTHERS = {
  f'{network} {step}': {
    form: functools.partial(_worker, network, step, **settings)
    for form, settings in _forms().items()
  }
  for network in NETWORKS
  for step in ('train', 'track')
}
