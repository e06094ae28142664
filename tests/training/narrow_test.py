"""A run trains a real network, SiamBAN-ACM, first frozen, then unfrozen."""

import dataclasses
import itertools
import json
import logging

import jax
from ml_collections import ConfigDict

from acm_jax.training.plan import make_plan
from acm_jax.training.run import run
from configs import siamban_acm
from data_pipelines import batch
from tests.training import fakes


def narrow_config():
  """Returns a config with a very narrow network and two phases."""
  config = siamban_acm.get_config('quickstart,tiny')
  frozen = {
    'from_epoch': 0,
    'rates': (('backbone/', 0.0), ('', 1.0)),
  }
  unfrozen = {
    'from_epoch': 1,
    'rates': (('backbone/layer5', 0.1), ('backbone/', 0.0), ('', 1.0)),
  }
  with config.unlocked():
    del config.synthetic
    config.phases = ConfigDict({'frozen': frozen, 'unfrozen': unfrozen})
    config.tracker.update(width=1 / 12, hidden=8, search_size=143)
    config.train.update(epochs=2, pairs_per_epoch=40, batch_size=4)
    config.schedule.warmup_epochs = 0
    config.log.every = 1
    # Targets stay at the centre, which the small response map covers.
    config.augment.search.shift = 0.0
  return config


def same_batch(plan):
  """Yields the same batch forever."""
  raw = batch.fake(plan.train.batch_size, *plan.crop_sides.values())
  yield from itertools.repeat(raw)


def test_a_run_learns_a_batch_and_compiles_once_per_phase(caplog, tmp_path):
  config = narrow_config().to_dict()
  # Augmentation takes long to compile and has its own tests.
  plan = dataclasses.replace(make_plan(config), distortion=None)
  with jax.log_compiles(), caplog.at_level(logging.WARNING, 'jax'):
    run(
      plan,
      config,
      tmp_path,
      lambda first_step: same_batch(plan),
      fakes.one_device(),
    )
  wanted = 'Finished XLA compilation of jit(train_step)'
  compiled = [r for r in caplog.records if wanted in r.getMessage()]
  assert len(compiled) == len(config['phases']) == 2
  lines = (tmp_path / 'metrics.jsonl').read_text().splitlines()
  losses = [json.loads(line)['loss'] for line in lines]
  # Each phase has 10 steps.
  assert losses[9] < 0.95 * losses[0]
  assert losses[-1] < 0.9 * losses[0]
