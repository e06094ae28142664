"""What a run writes about itself: metrics.jsonl and TensorBoard events."""

import json
import math
from pathlib import Path

from absl import logging

from acm_jax.host.staging import replacing
from data_pipelines import host_tensorflow

FILE = 'metrics.jsonl'
Values = dict[str, float]


class Writer:
  """Appends rows to metrics.jsonl, and to TensorBoard where clu is installed.

  A context manager. Rows beyond `first_step` are those of a run that was
  killed after its last checkpoint: they are dropped, as they come again.
  TensorBoard keeps them, and shows those steps twice.
  """

  def __init__(self, workdir: Path, first_step: int):
    path = workdir / FILE
    rows = path.read_text().splitlines() if path.exists() else []
    kept = [row for row in rows if _step(row) <= first_step]
    with replacing(path) as partial:
      partial.write_text(''.join(f'{row}\n' for row in kept))
    self._file = path.open('a')
    self._tensorboard = _tensorboard(workdir)

  def __enter__(self) -> 'Writer':
    return self

  def __exit__(self, *_) -> None:
    self._file.close()
    if self._tensorboard is not None:
      self._tensorboard.close()

  def write(self, step: int, values: Values) -> None:
    """One row; a number that is not finite is written as null."""
    row = {'step': step} | {
      name: value if math.isfinite(value) else None
      for name, value in values.items()
    }
    self._file.write(json.dumps(row) + '\n')
    self._file.flush()
    if self._tensorboard is not None:
      self._tensorboard.write_scalars(step, values)


def _step(row: str) -> float:
  try:
    return float(json.loads(row)['step'])
  except (json.JSONDecodeError, KeyError, TypeError):
    return math.inf  # The end of a row that was being written.


def _tensorboard(folder: Path):
  try:
    host_tensorflow.load()  # Leaves the accelerators to JAX.
    from clu import metric_writers
  except (ImportError, RuntimeError) as error:
    logging.warning('metrics go to %s alone: %s', FILE, error)
    return None
  return metric_writers.SummaryWriter(str(folder))
