"""Trains a config for some minutes and writes its run as pieces."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from acm_jax.host.staging import replacing
from benchmarks.accelerator_stages import packing, pieces
from benchmarks.accelerator_stages.settings import Row, Settings

METRICS, LOG = 'metrics.jsonl', 'train.log'
# For the last step, its validation and its checkpoint, after the signal.
CLOSING_SECONDS = 90.0
_EVERY_SECONDS = 5.0
# The data, and the checkpoint that is being written.
_LEFT_OUT = 'data', 'checkpoints/*.orbax-checkpoint-tmp*'
# What `command.run` returns after a signal.
_INTERRUPTED = 130


def rows(settings: Settings) -> Iterator[Row]:
  """One row; the folder of the run is in pieces then.

  The metrics are copied as they come, and the pieces written at every
  checkpoint, so that a call that is cut off has them; what training prints goes
  to train.log.

  Raises:
    RuntimeError: Training failed; what checkpoints there are is in pieces.
  """
  training = settings.training
  name = Path(training.config.partition(':')[0]).stem
  begun = time.monotonic()
  with tempfile.TemporaryDirectory() as folder:
    workdir = Path(folder) / name
    workdir.mkdir()
    _link_synthetic(settings, workdir)
    try:
      _train(settings, workdir)
    finally:
      seconds = round(time.monotonic() - begun, 1)
      written = pieces.split(workdir, settings.out, without=_LEFT_OUT)
    yield {
      'config': training.config,
      'flags': ' '.join(training.flags),
      'seconds': seconds,
      **_last(workdir / METRICS),
      'pieces': len(written) - 1,
      'MiB': round(sum(p.stat().st_size for p in written) / 2**20, 1),
    }


def _link_synthetic(settings: Settings, workdir: Path) -> None:
  """Gives a quick start the packed set that it would else write itself.

  To write it takes TensorFlow.
  """
  data = settings.packed_folder(packing.DATA)
  if data and (data / 'synthetic').is_dir():
    (workdir / 'data').mkdir()
    (workdir / 'data' / 'synthetic').symlink_to((data / 'synthetic').resolve())


def _command(settings: Settings, workdir: Path) -> list[str]:
  training = settings.training
  command = [sys.executable, '-m', 'acm_jax.train', f'--workdir={workdir}']
  command += [f'--config={training.config}', '--config.data.source=memory']
  # A core is left to the process that trains.
  workers = 0 if settings.rehearse else max(0, os.cpu_count() - 1)
  command.append(f'--config.data.workers={workers}')
  if data := settings.packed_folder(packing.DATA):
    command.append(f'--data_dir={data}')
  return [*command, *training.flags]


def _train(settings: Settings, workdir: Path) -> None:
  """Runs the training command up to its minutes.

  Raises:
    RuntimeError: It failed, or did not end after the signal.
  """
  deadline, saved = time.monotonic() + 60 * settings.training.minutes, set()
  command, log = _command(settings, workdir), settings.out / LOG
  with log.open('wb') as file:
    process = subprocess.Popen(command, stdout=file, stderr=file)
  try:
    while not _ended(process, min(_EVERY_SECONDS, deadline - time.monotonic())):
      _copy_metrics(workdir, settings.out)
      saved = _write_pieces(workdir, settings.out, saved)
      if time.monotonic() >= deadline:
        process.send_signal(signal.SIGTERM)
        break
    if not _ended(process, CLOSING_SECONDS):
      raise RuntimeError('training did not end after the signal')
  finally:
    if process.poll() is None:
      process.kill()
  code = process.returncode
  _copy_metrics(workdir, settings.out)
  if code not in (0, _INTERRUPTED):
    *_, last = ['', *log.read_text(errors='replace').splitlines()]
    raise RuntimeError(f'acm_jax.train ended with exit code {code}: {last}')


def _ended(process: subprocess.Popen, seconds: float) -> bool:
  """Whether a process has ended, or does so within some seconds."""
  try:
    process.wait(max(0.0, seconds))
  except subprocess.TimeoutExpired:
    return False
  return True


def _copy_metrics(workdir: Path, out: Path) -> None:
  if (workdir / METRICS).is_file():
    with replacing(out / METRICS) as partial:
      shutil.copyfile(workdir / METRICS, partial)


def _write_pieces(workdir: Path, out: Path, saved: set[str]) -> set[str]:
  """Writes the pieces anew if there are other checkpoints than those `saved`.

  Returns:
    Names of the checkpoints that the pieces hold.
  """
  names = {path.name for path in (workdir / 'checkpoints').glob('*')}
  names = {name for name in names if name.isdigit()}
  if names == saved:
    return saved
  try:
    pieces.split(workdir, out, without=_LEFT_OUT)
  except FileNotFoundError:
    # A checkpoint took its name or was removed just now: next time.
    return saved
  return names


def _last(metrics: Path) -> Row:
  """The last row of the metrics."""
  written = metrics.read_text().splitlines() if metrics.is_file() else []
  return json.loads(written[-1]) if written else {}
