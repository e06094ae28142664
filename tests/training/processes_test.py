"""Training with several processes."""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
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
    env={**os.environ, 'XLA_FLAGS': FAST_COMPILE} | environment,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def slurm(rank, port):
  """Returns flags and environment of a process that Slurm starts."""
  return ['--coordinator=auto'], {
    'SLURM_JOB_ID': '1',
    'SLURM_STEP_NODELIST': 'localhost',
    'SLURM_STEP_NUM_TASKS': '2',
    'SLURM_NTASKS': '2',
    'SLURM_PROCID': str(rank),
    'SLURM_LOCALID': str(rank),
    'JAX_COORDINATOR_PORT': str(port),
  }


def address(rank, port, count=4):
  """Returns flags and environment of a process with `count` devices."""
  flags = [
    f'--coordinator=localhost:{port}',
    '--process_count=2',
    f'--process_index={rank}',
  ]
  devices = f'--xla_force_host_platform_device_count={count}'
  return flags, {'XLA_FLAGS': f'{FAST_COMPILE} {devices}'}


def start_two(*args, first=(), second=(), launcher=slurm):
  """Starts two processes that train together."""
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = free.getsockname()[1]
  started = []
  for rank, more in enumerate([first, second]):
    flags, environment = launcher(rank, port)
    started.append(start(*args, *more, *flags, **environment))
  return started


def finish(started):
  """Waits for processes; returns their exit codes and their outputs."""
  printed = [process.communicate()[0] for process in started]
  return [process.returncode for process in started], printed


def losses(workdir):
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  rows = map(json.loads, lines)
  return [(row['step'], row['loss']) for row in rows if 'loss' in row]


# Weights that are split over devices of both processes cannot be read by one.
@pytest.mark.parametrize(
  ('launcher', 'fsdp'),
  [
    (slurm, 1),
    (address, 1),
    (functools.partial(address, count=2), 4),
  ],
  ids=['slurm', 'address', 'split'],
)
def test_two_processes_have_the_losses_of_one_and_write_them_once(
  tmp_path, launcher, fsdp
):
  one, two = tmp_path / 'one', tmp_path / 'two'
  started = start_two(two, '--epochs=4', f'--fsdp={fsdp}', launcher=launcher)
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
  ('arguments', 'message'),
  [
    (('host',), "`coordinator`='host': give auto, or HOST:PORT"),
    (('host:1',), '`process_count`=None: give `coordinator`=HOST:PORT, `proc'),
    (('host:1', 2), '`process_index`=None'),
    (('host:1', 2, 2), '`process_index`=2: must be at least 0 and less than'),
    (('auto', 2, 0), '`process_count`=2: give `coordinator`=HOST:PORT'),
    ((None, None, 0), '`process_index`=0: give `coordinator`=HOST:PORT'),
  ],
)
def test_arguments_that_do_not_fit_together_are_refused(arguments, message):
  with pytest.raises(ValueError, match=message):
    processes.join(*arguments)


def test_a_process_without_a_launcher_does_not_train_alone(tmp_path):
  started = start(tmp_path / 'run', '--epochs=1', '--coordinator=auto')
  (code,), (printed,) = finish([started])
  assert code == 1
  assert '`coordinator`=auto: the processes cannot be connected' in printed
  assert not (tmp_path / 'run').exists()


def test_a_process_joins_others_only_when_asked(monkeypatch):
  monkeypatch.setenv('SLURM_STEP_NUM_TASKS', '2')
  monkeypatch.setattr(jax.distributed, 'initialize', None)
  processes.join(None)


@pytest.mark.faults
@pytest.mark.parametrize('victim', [0, 1])
def test_if_a_process_dies_the_other_ends_with_a_message(tmp_path, victim):
  died = ['--stop_after=31', f'--signal={signal.SIGKILL}']
  ends = [died, []] if victim == 0 else [[], died]
  begun = time.monotonic()
  codes, printed = finish(
    start_two(
      tmp_path,
      '--epochs=1000',
      '--save_every=10',
      first=ends[0],
      second=ends[1],
    )
  )
  # From the start of both processes to the end of the second one.
  assert time.monotonic() - begun < 120
  assert codes[victim] == -signal.SIGKILL
  assert codes[1 - victim] != 0
  assert 'another' in printed[1 - victim]
  # The next start goes on from there.
  assert checkpoints.newest_step(tmp_path) in (20, 30)
