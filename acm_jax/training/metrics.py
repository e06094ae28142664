"""Writes the metrics of a run: metrics.jsonl, TensorBoard, Weights & Biases."""

import contextlib
import json
import math
import socket
import time
from pathlib import Path

from acm_jax.host import text_files
from acm_jax.host.staging import naming, replacing
from acm_jax.training.wandb_run import WandbRun

FILE = 'metrics.jsonl'
Values = dict[str, float]
# Number of a step, and metrics after it; what is not finite is None.
Row = dict[str, int | float | None]


class Writer:
  """Context manager that appends rows to metrics.jsonl, and TensorBoard events.

  Both files are written at once, so that a run can be watched. Weights & Biases
  also receives the rows if a project is named.
  """

  def __init__(self, workdir: Path, first_step: int, wandb: str = ''):
    """Opens the files of a run.

    If a run was killed, metrics.jsonl may have rows of steps after the run's
    last checkpoint. A resumed run repeats these steps, so the rows after
    `first_step` are removed. TensorBoard keeps its events and shows the
    repeated steps twice.

    Args:
      workdir: Folder of the run.
      first_step: Number of steps that the run has already taken; 0 for a new
        run.
      wandb: Project of Weights & Biases; empty to send nothing.
    """
    self._sinks = [WandbRun(workdir, wandb)] if wandb else []
    self._path = path = workdir / FILE
    kept = [row for row in read(workdir) if row['step'] <= first_step]
    with replacing(path) as partial:
      text_files.write(partial, ''.join(map(_line, kept)))
    self._file = path.open('a', encoding='utf-8')
    self._sinks.append(_Events(workdir))

  def __enter__(self) -> 'Writer':
    return self

  def __exit__(self, *_) -> None:
    with contextlib.ExitStack() as stack:
      for sink in self._sinks:
        stack.callback(sink.close)
      with naming(self._path):
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
      self._file.write(_line(row))
      self._file.flush()
    for sink in self._sinks:
      sink.write(step, values)


def read(workdir: Path) -> list[Row]:
  """Reads the rows of metrics.jsonl, which need not exist.

  Damaged rows are left out: a process that is killed, or a power cut, may leave
  any bytes behind.
  """
  path = workdir / FILE
  if not path.exists():
    return []
  lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
  return [row for line in lines if (row := _parsed(line))]


def _parsed(line: str) -> Row | None:
  """Parses a row of metrics.jsonl; returns None if it is damaged."""
  try:
    row = json.loads(line)
    float(row['step'])
  except (json.JSONDecodeError, KeyError, TypeError):
    return None
  return row


def _line(row: Row) -> str:
  return json.dumps(row) + '\n'


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
