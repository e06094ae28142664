"""Runs stages in processes of their own, each up to its time limit."""

import importlib
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection

from benchmarks.accelerator_stages.record import Record
from benchmarks.accelerator_stages.settings import Row, Settings

# For what a stage has started to end by itself, a checkpoint included.
_GRACE_SECONDS = 20.0


def run(
  modules: Mapping[str, str],
  limits: Mapping[str, float],
  settings: Settings,
  record: Record,
) -> None:
  """Runs stages one after the other, whatever becomes of each.

  A process of its own gives its memory on the device back, and a stage that
  hangs or breaks the device's context does not end the rest.

  Args:
    modules: By stage, the module with its function `rows`.
    limits: By stage, seconds after which it is stopped.
    settings: What the stages are given.
    record: Gets every row as it comes.
  """
  for stage, module in modules.items():
    with record.stage(stage, limits[stage]) as add:
      for row in _rows(module, limits[stage], record.given(settings)):
        add(row)


def _rows(module: str, limit: float, settings: Settings) -> Iterator[Row]:
  """The rows of a stage.

  Raises:
    RuntimeError: The stage failed.
    TimeoutError: It took longer than `limit` seconds.
  """
  context = multiprocessing.get_context('spawn')
  receiver, sender = context.Pipe(duplex=False)
  process = context.Process(target=_work, args=(module, settings, sender))
  deadline = time.monotonic() + limit
  process.start()
  sender.close()
  try:
    while receiver.poll(max(0.0, deadline - time.monotonic())):
      try:
        row, error = receiver.recv()
      except EOFError:
        process.join()
        if process.exitcode:
          raise RuntimeError(f'exit code {process.exitcode}') from None
        return
      if error:
        raise RuntimeError(error)
      yield row
    raise TimeoutError(f'stopped at its limit of {limit:.0f} s')
  finally:
    _end(process)


def _work(module: str, settings: Settings, sender: Connection) -> None:
  """Sends (row, None) for each row, or at last (None, what went wrong)."""
  # What the stage starts can then be ended together with it.
  os.setpgrp()
  if settings.rehearse:
    # Programs run once; to compile them well would take longer.
    os.environ['XLA_FLAGS'] = '--xla_backend_optimization_level=0'
  try:
    for row in importlib.import_module(module).rows(settings):
      sender.send((row, None))
  except Exception as error:
    traceback.print_exc()
    first_line = str(error).strip().split('\n')[0]
    sender.send((None, f'{type(error).__name__}: {first_line}'))


def _end(process: multiprocessing.Process) -> None:
  """Ends a stage and what it has started."""
  for number in (signal.SIGTERM, signal.SIGKILL):
    if process.is_alive():
      _signal_group(process.pid, number)
      process.join(_GRACE_SECONDS)
  process.close()


def _signal_group(pid: int, number: int) -> None:
  try:
    os.killpg(pid, number)
  except ProcessLookupError:
    # It has not yet made a group of its own.
    os.kill(pid, number)
