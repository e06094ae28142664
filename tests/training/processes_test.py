"""Training with several processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from acm_jax.training import checkpoints, processes
from tests.training import fakes
from tests.xla_flags import FAST_COMPILE

ROOT = Path(__file__).parents[2]


def start(*args, **environment):
  """Starts a process that trains the fake tracker."""
  return subprocess.Popen(
    [sys.executable, '-m', 'tests.training.fake_run', *map(str, args)],
    cwd=ROOT,
    # Not the eight devices of the tests.
    env={**os.environ, 'XLA_FLAGS': FAST_COMPILE, **environment},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def start_two(*args, second=()):
  """Starts two processes as SLURM would on one host."""
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = free.getsockname()[1]
  return [
    start(
      *args,
      *more,
      SLURM_JOB_ID='1',
      SLURM_STEP_NODELIST='localhost',
      SLURM_STEP_NUM_TASKS='2',
      SLURM_NTASKS='2',
      SLURM_PROCID=str(rank),
      SLURM_LOCALID=str(rank),
      JAX_COORDINATOR_PORT=str(port),
    )
    for rank, more in enumerate([(), second])
  ]


def finish(started):
  """Waits for processes; returns their exit codes and their outputs."""
  printed = [process.communicate()[0] for process in started]
  return [process.returncode for process in started], printed


def losses(workdir):
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  rows = map(json.loads, lines)
  return [(row['step'], row['loss']) for row in rows if 'loss' in row]


def test_two_processes_have_the_losses_of_one_and_write_them_once(tmp_path):
  one, two = tmp_path / 'one', tmp_path / 'two'
  started = start_two(two, '--epochs=4')
  fakes.train(fakes.PLAN, one, validator=fakes.FakeValidator(0.4, 0.5))
  codes, printed = finish(started)
  assert codes == [0, 0], printed
  # Sums in a different order, over eight steps.
  np.testing.assert_allclose(losses(two), losses(one), rtol=1e-4)
  assert [step for step, _ in losses(two)] == list(range(1, 9))
  assert 'training: 8 steps in' in printed[0]
  assert 'training' not in printed[1]
  for workdir in (one, two):
    last = (workdir / 'metrics.jsonl').read_text().splitlines()[-1]
    assert json.loads(last) == {'step': 8, checkpoints.CRITERION: 0.5}
  with checkpoints.Checkpoints(one) as a, checkpoints.Checkpoints(two) as b:
    assert a.steps == b.steps == (0, 8)
    assert a.best == b.best == 8
    jax.tree.map(
      lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5),
      a.read_model(8),
      b.read_model(8),
    )


def test_a_signal_to_one_process_ends_both_after_the_same_step(tmp_path):
  codes, printed = finish(
    start_two(tmp_path, '--epochs=1000', second=['--stop_after=3'])
  )
  assert 0 not in codes, printed
  assert all(
    text.endswith(f'KeyboardInterrupt: {signal.SIGTERM:d}\n')
    for text in printed
  ), printed
  with checkpoints.Checkpoints(tmp_path) as saved:
    # The start is kept as the best checkpoint; nothing else was validated.
    assert saved.steps == (0, losses(tmp_path)[-1][0])


@pytest.mark.parametrize(
  ('environment', 'joins'),
  [
    ({}, False),
    ({'SLURM_STEP_NUM_TASKS': '1', 'SLURM_NTASKS': '8'}, False),
    ({'SLURM_STEP_NUM_TASKS': '2'}, True),
    ({'OMPI_COMM_WORLD_SIZE': '4'}, True),
    ({'TPU_WORKER_HOSTNAMES': 'localhost'}, False),
    ({'TPU_WORKER_HOSTNAMES': 'a,b'}, True),
    ({'TPU_SKIP_MDS_QUERY': None}, True),
  ],
  ids=str,
)
def test_processes_join_if_a_launcher_started_several(
  monkeypatch, environment, joins
):
  calls = []
  monkeypatch.setattr(jax.distributed, 'initialize', lambda: calls.append(1))
  for name, value in environment.items():
    if value is None:
      monkeypatch.delenv(name)
    else:
      monkeypatch.setenv(name, value)
  processes.join()
  assert bool(calls) == joins
