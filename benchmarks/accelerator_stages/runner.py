"""Runs stages in separate processes, each with a time limit."""

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
from tests.xla_flags import FAST_COMPILE

# Time that the processes of a stopped stage have to save a checkpoint and end.
_GRACE_SECONDS = 20.0


def run(
  modules: Mapping[str, str],
  limits: Mapping[str, float],
  settings: Settings,
  record: Record,
) -> None:
  """Runs stages one after the other, even if some of them fail.

  Each stage has a process of its own. Its memory on the device is therefore
  free afterwards. And a stage that hangs, or breaks the context of the device,
  does not affect the next stage.

  Args:
    modules: Name of the module of each stage; keys are names of stages.
    limits: Time limit of each stage in seconds; keys are names of stages.
    settings: Settings of all stages.
    record: Record to which every row is added immediately.
  """
  for stage, module in modules.items():
    with record.stage(stage, limits[stage]) as add:
      for row in _rows(module, limits[stage], record.with_earlier(settings)):
        add(row)


def _rows(module: str, limit: float, settings: Settings) -> Iterator[Row]:
  """Runs a stage and yields its rows.

  Raises:
    RuntimeError: The stage failed.
    TimeoutError: The stage took longer than `limit` seconds.
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
    raise TimeoutError(f'stopped at the time limit of {limit:.0f} s')
  finally:
    _end(process)


def _work(module: str, settings: Settings, sender: Connection) -> None:
  """Sends (row, None) for each row, and (None, error) if the stage fails."""
  # With a process group, the stage's own child processes end with it.
  os.setpgrp()
  if settings.rehearse:
    # Each program runs only once, so optimising it takes longer than it saves.
    os.environ['XLA_FLAGS'] = FAST_COMPILE
  try:
    for row in importlib.import_module(module).rows(settings):
      sender.send((row, None))
  except Exception as error:
    traceback.print_exc()
    first_line = str(error).strip().split('\n')[0]
    sender.send((None, f'{type(error).__name__}: {first_line}'))


def _end(process: multiprocessing.Process) -> None:
  """Ends a stage and its child processes."""
  for number in (signal.SIGTERM, signal.SIGKILL):
    if process.is_alive():
      _signal_group(process.pid, number)
      process.join(_GRACE_SECONDS)
  process.close()


def _signal_group(pid: int, number: int) -> None:
  try:
    os.killpg(pid, number)
  except ProcessLookupError:
    # The process has not created its group yet.
    os.kill(pid, number)
