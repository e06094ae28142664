"""Trains a config for some minutes and writes the run's folder in pieces."""

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

from acm_jax.host import command as command_runner
from acm_jax.host import text_files
from acm_jax.host.staging import replacing
from benchmarks.accelerator_stages import packing, pieces
from benchmarks.accelerator_stages.settings import Row, Settings

METRICS, LOG = 'metrics.jsonl', 'train.log'
# Time that training has, after the signal to stop, for the last step,
# validation and checkpoint.
CLOSING_SECONDS = 90.0
_EVERY_SECONDS = 5.0
# Paths that pieces leave out: the data, and checkpoints that are incomplete.
_LEFT_OUT = 'data', 'checkpoints/*.orbax-checkpoint-tmp*'


def rows(settings: Settings) -> Iterator[Row]:
  """Trains, writes the folder of the run in pieces, and yields one row.

  During training, the metrics are copied regularly, and the pieces are written
  after every checkpoint. An interrupted call therefore leaves both. The output
  of training goes to train.log.

  Raises:
    RuntimeError: Training failed. The checkpoints so far have been written in
      pieces.
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
    size = sum(p.stat().st_size for p in (written.listing, *written.pieces))
    yield {
      'config': training.config,
      'flags': ' '.join(training.flags),
      'seconds': seconds,
      **_last(workdir / METRICS),
      'pieces': len(written.pieces),
      'MiB': round(size / 2**20, 1),
    }


def _link_synthetic(settings: Settings, workdir: Path) -> None:
  """Links the packed synthetic set to the path that a quick start writes to.

  The quick start then finds the set and does not write it, which would require
  TensorFlow.
  """
  data = settings.packed_folder(packing.DATA)
  if data and (data / 'synthetic').is_dir():
    (workdir / 'data').mkdir()
    (workdir / 'data' / 'synthetic').symlink_to((data / 'synthetic').resolve())


def _command(settings: Settings, workdir: Path) -> list[str]:
  training = settings.training
  command = [sys.executable, '-m', 'acm_jax.train', f'--workdir={workdir}']
  command += [f'--config={training.config}', '--config.data.source=memory']
  # One core is left for the training process.
  workers = 0 if settings.rehearse else max(0, os.cpu_count() - 1)
  command.append(f'--config.data.workers={workers}')
  if data := settings.packed_folder(packing.DATA):
    command.append(f'--data_dir={data}')
  return [*command, *training.flags]


def _train(settings: Settings, workdir: Path) -> None:
  """Runs the training command and stops it after the given minutes.

  Raises:
    RuntimeError: Training failed, or did not end after the signal.
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
      raise RuntimeError(
        f'training did not end within {CLOSING_SECONDS:.0f} s of the signal; '
        f'see {log}'
      )
  finally:
    if process.poll() is None:
      process.kill()
  code = process.returncode
  _copy_metrics(workdir, settings.out)
  if code not in (command_runner.DONE, command_runner.INTERRUPTED):
    text = log.read_text(encoding='utf-8', errors='replace')
    *_, last = ['', *text.splitlines()]
    raise RuntimeError(f'acm_jax.train ended with exit code {code}: {last}')


def _ended(process: subprocess.Popen, seconds: float) -> bool:
  """Waits at most `seconds` for a process; returns whether it has ended."""
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
  """Writes the pieces again if the checkpoints are no longer those in `saved`.

  Returns:
    Names of the checkpoints in the pieces.
  """
  names = {path.name for path in (workdir / 'checkpoints').glob('*')}
  names = {name for name in names if name.isdigit()}
  if names == saved:
    return saved
  try:
    pieces.split(workdir, out, without=_LEFT_OUT)
  except FileNotFoundError:
    # A checkpoint was just renamed or removed; the next call tries again.
    return saved
  return names


def _last(metrics: Path) -> Row:
  """Reads the last row of the metrics, if any."""
  written = text_files.read(metrics).splitlines() if metrics.is_file() else []
  return json.loads(written[-1]) if written else {}
