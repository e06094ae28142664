"""NanoTrackV3's tracking step in onnxruntime, for `acm-jax speed --against`.

The form has a process of its own, with one thread. The environment variable
NANOTRACK_GRAPHS names the folder of the published graphs; see
benchmarks/onnx_tracker.py. Install onnx and onnxruntime first.

Example:

  NANOTRACK_GRAPHS=nanotrackv3 acm-jax speed --part step --only nanotrack \\
    --against benchmarks/pytorch.py,benchmarks/onnx_step.py --out steps.json
"""

import importlib.util
import os
import sys
from pathlib import Path

from acm_jax.timing.worker import Worker

_ROOT = Path(__file__).resolve().parents[1]
_VARIABLE = 'NANOTRACK_GRAPHS'
_FILES = 'nanotrack_backbone.onnx', 'nanotrack_head.onnx'


def _worker(size: tuple[int, int]) -> Worker:
  arguments = _GRAPHS, *map(str, size)
  command = sys.executable, '-m', 'benchmarks.onnx_tracker', *arguments
  return Worker(command, folder=_ROOT)


def _graphs() -> str:
  """Returns the folder of the graphs; fails before anything is timed."""
  if not os.environ.get(_VARIABLE):
    raise ValueError(
      f'the environment variable {_VARIABLE} is missing; give the folder of '
      f'{" and ".join(_FILES)}'
    )
  folder = os.path.abspath(os.environ[_VARIABLE])
  for file in _FILES:
    if not os.path.isfile(os.path.join(folder, file)):
      raise FileNotFoundError(
        f'{_VARIABLE}={folder}: the folder has no {file}; give the folder of '
        'the published graphs'
      )
  for package in ('onnx', 'onnxruntime'):
    if importlib.util.find_spec(package) is None:
      raise RuntimeError(f'{package} is missing; pip install onnx onnxruntime')
  return folder


_GRAPHS = _graphs()
OTHERS = {'nanotrack track': {'onnxruntime, 1 thread': _worker}}
