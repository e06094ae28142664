"""Writes the metrics of a run to metrics.jsonl and TensorBoard."""

import contextlib
import json
import math
import socket
import time
from pathlib import Path

from acm_jax.host import text_files
from acm_jax.host.staging import naming, replacing

FILE = 'metrics.jsonl'
Values = dict[str, float]


class Writer:
  """Context manager that appends rows to metrics.jsonl, and TensorBoard events.

  Both files are written at once, so that a run can be watched.
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
    rows = []
    if path.exists():
      # A process that is killed, or a power cut, may leave any bytes behind.
      text = path.read_text(encoding='utf-8', errors='replace')
      rows = text.splitlines()
    kept = [row for row in rows if _step(row) <= first_step]
    with replacing(path) as partial:
      text_files.write(partial, ''.join(f'{row}\n' for row in kept))
    self._file = path.open('a', encoding='utf-8')
    self._events = _Events(workdir)

  def __enter__(self) -> 'Writer':
    return self

  def __exit__(self, *_) -> None:
    with contextlib.closing(self._events), naming(self._path):
      self._file.close()

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
    self._events.write(step, values)


def _step(row: str) -> float:
  try:
    return float(json.loads(row)['step'])
  except (json.JSONDecodeError, KeyError, TypeError):
    # The process was killed while writing the row.
    return math.inf


class _Events:
  """File of TensorBoard events.

  Rows are written at once. The thread of tensorboardX's own `SummaryWriter`
  ends on a full disk, after which the training would wait for it forever.
  """

  def __init__(self, folder: Path):
    # Here, because tensorboardX imports PyTorch where that is installed.
    from tensorboardX import RecordWriter, summary
    from tensorboardX.proto import event_pb2

    self._event, self._scalar = event_pb2.Event, summary.scalar
    # TensorBoard finds a file by this beginning of its name.
    name = f'events.out.tfevents.{time.time():.0f}.{socket.gethostname()}'
    self._path = folder / name
    with naming(self._path):
      self._file = RecordWriter(str(self._path))
    self._append(file_version='brain.Event:2')

  def write(self, step: int, values: Values) -> None:
    """Appends the metrics after `step` steps.

    Raises:
      OSError: The metrics cannot be written.
    """
    scalars = [
      value
      for name, number in values.items()
      for value in self._scalar(name, number).value
    ]
    self._append(step=step, summary={'value': scalars})

  def close(self) -> None:
    """Closes the file.

    Raises:
      OSError: The last metrics cannot be written.
    """
    with naming(self._path):
      self._file.close()

  def _append(self, **fields) -> None:
    event = self._event(wall_time=time.time(), **fields)
    with naming(self._path):
      self._file.write(event.SerializeToString())
      self._file.flush()
