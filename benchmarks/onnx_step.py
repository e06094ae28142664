"""NanoTrackV3's tracking step in onnxruntime, for `acm-jax speed --against`.

The form has a process of its own, with one thread. The environment variable
NANOTRACK_GRAPHS names the folder of the published graphs; see
benchmarks/onnx_tracker.py. Install onnx and onnxruntime first.

Example:

  NANOTRACK_GRAPHS=nanotrackv3 acm-jax speed --part step --only nanotrack \\
    --against benchmarks/pytorch.py,benchmarks/onnx_step.py --out steps.json
"""

import os
import sys
from pathlib import Path

from acm_jax.timing.worker import Worker

_ROOT = Path(__file__).resolve().parents[1]
_VARIABLE = 'NANOTRACK_GRAPHS'


def _worker(size: tuple[int, int]) -> Worker:
  arguments = _GRAPHS, *map(str, size)
  command = sys.executable, '-m', 'benchmarks.onnx_tracker', *arguments
  return Worker(command, folder=_ROOT)


if not os.environ.get(_VARIABLE):
  raise ValueError(
    f'the environment variable {_VARIABLE} is missing; give the folder of '
    'nanotrack_backbone.onnx and nanotrack_head.onnx'
  )
_GRAPHS = os.path.abspath(os.environ[_VARIABLE])
OTHERS = {'nanotrack track': {'onnxruntime, 1 thread': _worker}}
