"""Training survives `kill -9`: the next start ends with the same weights.

The long tests are marked `faults`:

    pytest -m faults
"""

import copy
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from acm_jax.training import checkpoints
from acm_jax.training.run import run
from data_pipelines import pipeline, synthetic_set
from tests.training import fakes
from tests.xla_flags import FAST_COMPILE

ROOT = Path(__file__).parents[2]
KILLED = -9


def start(seconds, module, *args):
  """Trains in a process that is killed after `seconds`; returns its exit code.

  If `seconds` is None, the process is not killed.
  """
  killed = [] if seconds is None else ['tests.training.killed', str(seconds)]
  done = subprocess.run(
    [sys.executable, '-m', *killed, module, *map(str, args)],
    cwd=ROOT,
    # Not the eight devices of the tests.
    env={**os.environ, 'XLA_FLAGS': FAST_COMPILE},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode in (0, KILLED), done.stderr
  return done.returncode


def arrays(workdir):
  """Returns the step and all arrays of the newest checkpoint."""
  with checkpoints.Checkpoints(workdir) as saved:
    step = saved.steps[-1]
    parts = saved.read(step, {'model': None, 'progress': None})
  return step, jax.tree.leaves(jax.device_get(parts))


def losses(workdir):
  """Returns the loss of each logged step, which must not be logged twice."""
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  steps = [row['step'] for row in rows if 'loss' in row]
  assert steps == sorted(set(steps))
  return {row['step']: row['loss'] for row in rows if 'loss' in row}


def check_equal(undisturbed, killed):
  (step, expected), (last, found) = arrays(undisturbed), arrays(killed)
  assert step == last
  for one, other in zip(expected, found, strict=True):
    np.testing.assert_array_equal(one, other)
  assert losses(undisturbed) == losses(killed)


def train_killed(kills, longest, module, workdir, *args):
  """Trains to the end, but kills the process `kills` times before.

  Prints the moment of every kill, and what was on disk then.

  Args:
    kills: Number of kills.
    longest: Longest time from the first step of a process to its end, s.
    module: Module that trains.
    workdir: Folder of the run.
    *args: Arguments of the module.
  """
  rng = random.Random(0)
  for number in range(1, kills + 1):
    seconds = rng.uniform(0, longest)
    code = start(seconds, module, workdir, *args)
    assert code == KILLED, 'the run ended before it was killed: train longer'
    unfinished = list((workdir / 'checkpoints').glob('*tmp*'))
    print(
      f'kill {number:2d}: {seconds:.2f} s after the first step; newest '
      f'checkpoint: step {checkpoints.newest_step(workdir)}; '
      f'{"in" if unfinished else "not in"} saving'
    )
  # The kills came late enough to lose some steps, and not all of them.
  assert checkpoints.newest_step(workdir) > 0
  assert start(None, module, workdir, *args) == 0


@pytest.mark.faults
def test_a_killed_run_equals_an_undisturbed_one(tmp_path):
  kills = 20
  # A checkpoint every few steps, so that half of the kills are in saving.
  flags = (f'--epochs={20 * kills}', '--save_every=5')
  fake = 'tests.training.fake_run'
  assert start(None, fake, tmp_path / 'undisturbed', *flags) == 0
  train_killed(kills, 1.0, fake, tmp_path / 'killed', *flags)
  check_equal(tmp_path / 'undisturbed', tmp_path / 'killed')


@pytest.mark.faults
@pytest.mark.parametrize('fault', ['cut short', 'removed'])
def test_a_shard_that_is_lost_during_a_run_is_named(tmp_path, fault):
  clips, workdir = tmp_path / 'clips', tmp_path / 'run'
  synthetic_set.ensure(
    clips, sequences=4, frames=6, size=(120, 160), seed=0, crop_size=127
  )
  (shard,) = clips.glob('*.tfrecord')
  config = copy.deepcopy(fakes.PLAN)
  config['train']['epochs'] = 50
  plan = fakes.make_plan(config)

  def batches_from(step):
    batches = pipeline.train_batches(
      [{'path': clips, 'weight': 1.0, 'gap': 3}],
      batch_size=plan.train.batch_size,
      seed=0,
      first_step=step,
      **plan.crop_sides,
    )
    for number, raw in enumerate(batches):
      if number == 5 and fault == 'removed':
        shard.unlink()
      elif number == 5:
        os.truncate(shard, shard.stat().st_size // 2)
      yield raw

  with pytest.raises((OSError, ValueError), match=str(clips)) as caught:
    run(plan, config, workdir, batches_from, fakes.one_device())
  print(f'{fault}: {caught.value}')
  step = checkpoints.newest_step(workdir)
  assert 5 < step < plan.total_steps
