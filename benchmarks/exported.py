"""Exported trackers in onnxruntime and LiteRT, for `acm-jax speed --against`.

The tracking step of every network is exported with the weights of the other
forms, and has a process of its own without JAX. Install the extras `export` and
`export-tflite` first.

Example:

  acm-jax speed --part track --only nanotrack,siamfc \\
    --against benchmarks/pytorch.py,benchmarks/exported.py --out steps.json
"""

import functools
import sys
import tempfile
from pathlib import Path

from acm_jax import exporting
from acm_jax.host import config_files
from acm_jax.timing import run, steps
from acm_jax.timing.worker import Worker

_ROOT = Path(__file__).resolve().parents[1]
_FORMS = {'onnxruntime': 'onnx', 'litert': 'tflite'}
# Removed when the process ends.
_FOLDER = tempfile.TemporaryDirectory(prefix='exported_')


def _worker(network: str, kind: str, size: tuple[int, int]) -> Worker:
  """Exports a network and returns the process that times its step.

  Args:
    network: Name of the network's config, with its arguments.
    kind: Format of the export.
    size: Height and width of the frame, px.
  """
  folder = Path(tempfile.mkdtemp(dir=_FOLDER.name))
  section = config_files.load(network)['tracker']
  exporting.write(folder, steps.random_model(network, section), kind)
  arguments = str(folder), *map(str, size)
  command = sys.executable, '-m', 'benchmarks.exported_worker', *arguments
  return Worker(command, folder=_ROOT)


OTHERS = {
  f'{network} track': {
    form: functools.partial(_worker, network, kind)
    for form, kind in _FORMS.items()
  }
  for network in run.NETWORKS
}
