"""Trains the fake tracker in a separate process.

python -m tests.training.fake_run WORKDIR --epochs 4
"""

import argparse
import copy
import signal
from pathlib import Path

import jax

from acm_jax.training import processes, sharding
from acm_jax.training.run import run
from tests.training import fakes

if __name__ == '__main__':
  parser = argparse.ArgumentParser()
  parser.add_argument('workdir', type=Path)
  parser.add_argument('--epochs', type=int)
  parser.add_argument('--fsdp', type=int, default=1)
  parser.add_argument('--save_every', type=int, default=100)
  parser.add_argument('--stop_after', type=int, help='batches until a signal')
  parser.add_argument('--signal', type=int, default=signal.SIGTERM)
  parser.add_argument('--coordinator')
  parser.add_argument('--process_count', type=int)
  parser.add_argument('--process_index', type=int)
  given = parser.parse_args()
  processes.join(given.coordinator, given.process_count, given.process_index)
  config = copy.deepcopy(fakes.PLAN)
  config['train']['epochs'] = given.epochs
  config['checkpoints']['every'] = given.save_every
  config['sharding'] = {'fsdp': given.fsdp}
  plan = fakes.make_plan(config)
  run(
    plan,
    config,
    given.workdir,
    fakes.Batches(given.stop_after, given.signal).of(plan),
    sharding.make_mesh(given.fsdp),
    # Each process measures another overlap; that of the first one counts.
    validator=fakes.FakeValidator(
      *[0.4, *[0.5 + jax.process_index()] * given.epochs]
    ),
  )
