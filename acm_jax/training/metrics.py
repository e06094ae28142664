"""Writes the metrics of a run to metrics.jsonl and TensorBoard."""

import json
import math
from pathlib import Path

from absl import logging

from acm_jax.host.staging import naming, replacing

FILE = 'metrics.jsonl'
Values = dict[str, float]


class Writer:
  """Context manager that appends rows to metrics.jsonl.

  If tensorboardX is installed, the rows are also written as TensorBoard events.
  """

  def __init__(self, workdir: Path, first_step: int):
    """Opens the files of a run.

    If a run was killed, metrics.jsonl may have rows of steps after the run's
    last checkpoint. A resumed run repeats these steps, so the rows after
    `first_step` are removed. TensorBoard keeps its events and shows the
    repeated steps twice.

    Args:
      workdir: Folder of the run.
      first_step: Number of steps that the run has already taken; 0 for a new
        run.
    """
    self._path = path = workdir / FILE
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
    """Appends the metrics after `step` steps.

    In metrics.jsonl, a number that is not finite is written as null.

    Raises:
      OSError: The row cannot be written.
    """
    row = {'step': step} | {
      name: value if math.isfinite(value) else None
      for name, value in values.items()
    }
    with naming(self._path):
      self._file.write(json.dumps(row) + '\n')
      self._file.flush()
    if self._tensorboard is not None:
      for name, value in values.items():
        self._tensorboard.add_scalar(name, value, step)


def _step(row: str) -> float:
  try:
    return float(json.loads(row)['step'])
  except (json.JSONDecodeError, KeyError, TypeError):
    # The process was killed while writing the row.
    return math.inf


def _tensorboard(folder: Path):
  try:
    from tensorboardX import SummaryWriter
  except ImportError as error:
    logging.warning(
      'metrics are written to %s only (%s); install tensorboardX to write them '
      'as TensorBoard events, too',
      FILE,
      error,
    )
    return None
  return SummaryWriter(str(folder))
