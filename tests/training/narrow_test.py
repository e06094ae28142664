"""A real network in the loop: SiamBAN-ACM, frozen and then unfrozen."""

import json
import logging

import jax
from ml_collections import ConfigDict

from acm_jax.training import loop, sharding
from configs import siamban_acm
from data_pipelines import batch
from tests.training import fakes


def narrow_config():
  """As narrow as it goes, in two phases."""
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
    # The targets stay in the middle, where the small map has its cells.
    config.augment.search.shift = 0.0
  return config


def one_batch(sets, *, batch_size, template_room, search_room, **_):
  """The same batch over and over."""
  while True:
    yield batch.fake(batch_size, template_room, search_room)


def test_it_learns_a_batch_and_is_compiled_once_a_phase(
  monkeypatch, caplog, tmp_path
):
  config = narrow_config()
  monkeypatch.setattr(loop, 'train_batches', one_batch)
  monkeypatch.setattr(loop.data, 'check_scale', lambda *_: None)
  monkeypatch.setattr(sharding, 'make_mesh', fakes.one_device)
  with jax.log_compiles(), caplog.at_level(logging.WARNING, 'jax'):
    loop.train(config, tmp_path)
  wanted = 'Finished XLA compilation of jit(train_step)'
  compiled = [r for r in caplog.records if wanted in r.getMessage()]
  # 10 steps each.
  assert len(compiled) == len(config.phases) == 2
  lines = (tmp_path / 'metrics.jsonl').read_text().splitlines()
  losses = [json.loads(line)['loss'] for line in lines]
  assert losses[9] < 0.95 * losses[0]
  assert losses[-1] < 0.9 * losses[0]
