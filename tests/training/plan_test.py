"""A plan refuses an invalid config and names the key."""

import copy
import re

import pytest

from acm_jax.training import plan as plans
from tests.training import fakes


def make_plan(config):
  return plans.make_plan(config, fakes.FakeTracker())


def changed(path: str, value):
  """Returns the config of the fake tracker with one value replaced."""
  config = copy.deepcopy(fakes.PLAN)
  *names, key = path.split('.')
  section = config
  for name in names:
    section = section[name]
  section[key] = value
  return config


@pytest.mark.parametrize(
  'section',
  [
    *('hparams', 'schedule', 'optimizer', 'train', 'log'),
    *('checkpoints', 'augment', 'augment.search', 'phases.frozen'),
  ],
)
def test_an_unknown_key_is_named_with_its_section(section):
  with pytest.raises(ValueError, match=f"config.{section}: .*'wrong'"):
    make_plan(changed(f'{section}.wrong', 1))


def test_an_unknown_argument_of_the_tracker_is_named():
  config = changed('tracker', {'name': 'siamban', 'wrong': 1})
  with pytest.raises(
    ValueError, match=r'config\.tracker: .* no argument wrong'
  ):
    plans.make_plan(config)


def test_an_unknown_and_a_missing_section_are_named():
  config = changed('optimiser', {})
  del config['log']
  with pytest.raises(ValueError, match='missing or unknown: log, optimiser'):
    make_plan(config)


@pytest.mark.parametrize(
  ('path', 'value', 'message'),
  [
    ('train.batch_size', 0, 'train: batch_size=0 must be a whole number above'),
    ('train.epochs', -1, 'train: epochs=-1 must be'),
    ('train.pairs_per_epoch', 7, 'train: pairs_per_epoch=7 must be at least'),
    ('train.ema_decay', 1.0, 'train: ema_decay=1.0 must be at least 0 and'),
    (
      'validation',
      {'benchmark': 'davis', 'sequences': ('camel', 'camel')},
      "validation: sequences=('camel', 'camel'): give one or more names, with",
    ),
    (
      'validation',
      {'benchmark': 'davis', 'sequences': ('camel',)},
      "validation: sequences=('camel',): give two or more names, because each",
    ),
    (
      'validation',
      {'benchmark': 'davis', 'sequences': (), 'pairs': 0},
      'validation: sequences=(): give one or more names',
    ),
    (
      'validation',
      {'benchmark': 'davis', 'sequences': ('a', 'b'), 'patience': -1},
      'validation: patience=-1 must be a whole number, at least 0',
    ),
    (
      'validation',
      {'benchmark': 'davis', 'sequences': ('camel', 'bear'), 'pairs': 1},
      'validation: pairs=1 must be 0 or a whole number above 1',
    ),
    ('log.every', 0, 'log: every=0 must be'),
    ('checkpoints.keep', 0, 'checkpoints: keep=0 must be'),
    ('schedule.warmup_epochs', 4, 'schedule: warmup_epochs=4 must be at'),
    ('augment.grey', 2.0, 'augment: grey=2.0 must be a probability'),
    ('augment.search.scale', 1.0, 'augment.search: scale=1.0 must be'),
    ('augment.search.shift', -1.0, 'augment.search: shift=-1.0 must not'),
    ('phases.unfrozen.from_epoch', 0, 'phases: the phases begin at epochs ['),
    (
      'phases.frozen.frozen_statistics',
      ('backbone/', 'spine/'),
      "phases.frozen: frozen_statistics: 'spine/' selects no batch norm; "
      'correct or remove the expression (examples of the 2 paths: '
      'backbone/BatchNorm_0, head/BatchNorm_0)',
    ),
    (
      'phases.frozen.frozen_statistics',
      'backbone/',
      "phases.frozen: frozen_statistics='backbone/': give a tuple",
    ),
    ('phases.frozen.rates', (('(', 1.0),), "phases.frozen: rates: '(' is no"),
    (
      'phases.unfrozen.rates',
      (('spine/', 0.1), ('', 1.0)),
      "phases.unfrozen: rates: expressions have no effect: 'spine/'",
    ),
    (
      'phases.unfrozen.rates',
      (('backbone/', 0.1),),
      'phases.unfrozen: rates: no expression selects the parameter head/Batch',
    ),
    (
      'optimizer',
      {'name': 'adem'},
      "optimizer: unknown optimizer 'adem'; ch",
    ),
    (
      'sharding',
      {'rules': (('', 'zero'),)},
      "sharding: rules: unknown rule 'zero' for ''; choose from replicate",
    ),
    ('sharding', {'rules': (('(', 'fsdp'),)}, "sharding: rules: '(' is not a"),
    (
      'phases.frozen.rates',
      (('head/', 1.0), ('head/', 0.1), ('', 0.0)),
      "phases.frozen: rates: expressions occur more than once: 'head/'; remove",
    ),
    (
      'phases.frozen.rates',
      (('', -1.0),),
      "phases.frozen: rates: the factor -1.0 for '' must be finite and at",
    ),
    (
      'phases.frozen.rates',
      (('', float('nan')),),
      "phases.frozen: rates: the factor nan for '' must be finite and at",
    ),
    ('precision', 'half', "precision: unknown precision 'half'; choose from "),
    (
      'sharding',
      {'fsdp': 0},
      'sharding: fsdp=0: give a whole number',
    ),
    (
      'sharding',
      {'rules': (('', 'fsdp'), ('head/', 'replicate'))},
      "sharding: rules: expressions have no effect: 'head/'",
    ),
    (
      'sharding',
      {'rules': (('head/', 'fsdp'),)},
      'sharding: rules: no expression selects the parameter backbone/',
    ),
  ],
  ids=lambda value: value if isinstance(value, str) else '',
)
def test_an_invalid_value_is_named(path, value, message):
  message = re.escape(f'config.{message}')
  with pytest.raises(ValueError, match=message):
    make_plan(changed(path, value))
