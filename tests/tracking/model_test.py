"""Tests of the description that identifies a trained tracker."""

import dataclasses
import json

import jax
import pytest

from acm_jax import trackers
from acm_jax.tracking import wide


def test_the_description_is_json_and_has_every_field(tiny_model):
  about = tiny_model.about()
  assert json.loads(json.dumps(about)) == about
  assert set(about) == {'acm_jax', 'weights', 'tracker', 'hparams', 'precision'}
  network = about['tracker']['network']
  assert network['backbone']['width'] == (
    tiny_model.tracker.network.backbone.width
  )


@pytest.mark.parametrize(
  ('changes', 'name'),
  [
    ({'precision': 'default'}, 'precision'),
    ({'hparams': {'penalty_k': 0.9}}, 'hparams'),
    ({'tracker': {'pixel_shift': 0.5}}, 'tracker'),
    ({'tracker': {'wide_search': wide.LongTerm(319)}}, 'tracker'),
  ],
  ids=['precision', 'hparams', 'shift', 'wide search'],
)
def test_a_changed_setting_changes_only_its_part(tiny_model, changes, name):
  for field, value in changes.items():
    if isinstance(value, dict):
      value = dataclasses.replace(getattr(tiny_model, field), **value)
    model = dataclasses.replace(tiny_model, **{field: value})
  before, after = tiny_model.about(), model.about()
  assert [key for key in before if before[key] != after[key]] == [name]


def test_changed_weights_change_the_fingerprint(tiny_model):
  variables = jax.tree.map(lambda x: x * 1.001, tiny_model.variables)
  model = dataclasses.replace(tiny_model, variables=variables)
  assert model.about()['weights'] != tiny_model.about()['weights']


@pytest.mark.parametrize('name', trackers.names())
def test_every_tracker_has_a_description(tiny_model, name):
  model = dataclasses.replace(tiny_model, tracker=trackers.make(name))
  assert json.dumps(model.about())


def test_a_field_that_cannot_be_described_is_named(tiny_model):
  @dataclasses.dataclass(frozen=True)
  class Odd(wide.LongTerm):
    sides: tuple = (1, object())

  tracker = dataclasses.replace(tiny_model.tracker, wide_search=Odd(319))
  model = dataclasses.replace(tiny_model, tracker=tracker)
  named = r'^tracker\.wide_search\.sides\[1\] is of type object'
  with pytest.raises(TypeError, match=named):
    model.about()
