"""Trains the fake tracker in a separate process.

python -m tests.training.fake_run WORKDIR EPOCHS [KILL_AFTER]
"""

import copy
import sys
from pathlib import Path

import jax

from acm_jax.training import processes, sharding
from acm_jax.training.run import run
from tests.training import fakes

if __name__ == '__main__':
  workdir, epochs, *kill_after = sys.argv[1:]
  processes.join()
  config = copy.deepcopy(fakes.PLAN)
  config['train']['epochs'] = int(epochs)
  plan = fakes.make_plan(config)
  batches = fakes.Batches(int(kill_after[0]) if kill_after else None)
  run(
    plan,
    config,
    Path(workdir),
    batches.of(plan),
    sharding.make_mesh(),
    # Each process measures another overlap; that of the first one counts.
    validator=fakes.FakeValidator(0.4, 0.5 + jax.process_index()),
  )
