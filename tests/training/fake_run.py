"""Trains the tracker of the fakes in a process of its own.

python -m tests.training.fake_run WORKDIR EPOCHS [KILL_AFTER]
"""

import copy
import sys
from pathlib import Path

import jax
from ml_collections import ConfigDict

from acm_jax import trackers
from acm_jax.training import loop, metrics, processes
from tests.training import fakes

if __name__ == '__main__':
  workdir, epochs, *kill_after = sys.argv[1:]
  processes.join()
  trackers.make = lambda **_: fakes.FakeTracker()
  # TensorFlow takes longer to import than the run.
  metrics._tensorboard = lambda folder: None
  loop.train_batches = source = fakes.Source()
  loop.data.check_scale = lambda *_: None
  # Of two processes the first one's overlap counts.
  validator = fakes.FakeValidator(0.4, 0.5 + jax.process_index())
  loop.validation.load = lambda *_: validator
  source.kill_after = int(kill_after[0]) if kill_after else None
  config = ConfigDict(copy.deepcopy(fakes.PLAN))
  config.train.epochs = int(epochs)
  loop.train(config, Path(workdir))
