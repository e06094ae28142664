"""A plan refuses what its config cannot mean, and names the place."""

import copy
import re

import pytest

from acm_jax import trackers
from acm_jax.training import plan as plans
from tests.training import fakes


@pytest.fixture(autouse=True)
def tracker(monkeypatch):
  def make(*, name, precision):
    return fakes.FakeTracker()

  monkeypatch.setattr(trackers, 'make', make)


def changed(place: str, value):
  """The config of the fakes with one value set."""
  config = copy.deepcopy(fakes.PLAN)
  *path, key = place.split('.')
  section = config
  for name in path:
    section = section[name]
  section[key] = value
  return config


@pytest.mark.parametrize(
  'section',
  [
    *('tracker', 'hparams', 'schedule', 'optimizer', 'train', 'log'),
    *('checkpoints', 'augment', 'augment.search', 'phases.frozen'),
  ],
)
def test_an_unknown_key_is_named_with_its_section(section):
  with pytest.raises(ValueError, match=f"config.{section}: .*'wrong'"):
    plans.make_plan(changed(f'{section}.wrong', 1))


def test_an_unknown_and_a_missing_section_are_named():
  config = changed('optimiser', {})
  del config['log']
  with pytest.raises(ValueError, match='missing or unknown: log, optimiser'):
    plans.make_plan(config)


@pytest.mark.parametrize(
  ('place', 'value', 'message'),
  [
    ('train.batch_size', 0, 'train: batch_size=0 must be a whole number above'),
    ('train.epochs', -1, 'train: epochs=-1 must be'),
    ('train.pairs_per_epoch', 7, 'train: pairs_per_epoch=7 is less than one'),
    ('train.ema_decay', 1.0, 'train: ema_decay=1.0 must be from 0 to below 1'),
    (
      'validation',
      {'benchmark': 'davis', 'sequences': ('camel', 'camel')},
      "validation: sequences=('camel', 'camel'): name two or more, each once",
    ),
    (
      'validation',
      {'benchmark': 'davis', 'sequences': ('camel', 'bear'), 'pairs': 1},
      'validation: pairs=1 must be a whole number above 1',
    ),
    ('log.every', 0, 'log: every=0 must be'),
    ('checkpoints.keep', 0, 'checkpoints: keep=0 must be'),
    ('schedule.warmup_epochs', 4, 'schedule: warmup_epochs=4 must be less'),
    ('augment.grey', 2.0, 'augment: grey=2.0 must be a probability'),
    ('augment.search.scale', 1.0, 'augment.search: scale=1.0 must be'),
    ('augment.search.shift', -1.0, 'augment.search: shift=-1.0 must not'),
    ('phases.unfrozen.from_epoch', 0, 'phases: they begin at epochs [0, 0]'),
    (
      'phases.frozen.frozen_statistics',
      ('backbone/', 'spine/'),
      "phases.frozen: frozen_statistics: no batch norm begins with 'spine/'; "
      'there are backbone/BatchNorm_0, head/BatchNorm_0',
    ),
    (
      'phases.frozen.frozen_statistics',
      'backbone/',
      "phases.frozen: frozen_statistics='backbone/': give a tuple",
    ),
    ('phases.frozen.rates', (('(', 1.0),), "phases.frozen: rates: '(' is no"),
  ],
  ids=lambda value: value if isinstance(value, str) else '',
)
def test_a_number_out_of_its_range_is_named(place, value, message):
  message = re.escape(f'config.{message}')
  with pytest.raises(ValueError, match=message):
    plans.make_plan(changed(place, value))
