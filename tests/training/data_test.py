"""Data sets of a config are found and checked against the tracker."""

import json

import pytest

from acm_jax.training import data
from data_pipelines import clip_set
from data_pipelines.pipeline import DataSet


def test_unprepared_sets_are_named_with_the_ways_to_get_them(tmp_path):
  sets = {'got10k': {}, 'lasot': {}, 'synthetic': {}}
  with pytest.raises(FileNotFoundError) as caught:
    data.find_sets(sets, tmp_path, tmp_path)
  message = str(caught.value)
  assert 'not prepared: got10k, lasot (looked in' in message
  assert 'acm-jax prepare --dataset NAME' in message
  assert ':quickstart' in message


def test_a_synthetic_set_of_another_scale_is_refused_before_it_is_written(
  tmp_path,
):
  sets = [DataSet(path=tmp_path / 'synthetic', weight=1.0, gap=1)]
  with pytest.raises(
    ValueError, match='template_size=127, but the tracker has 63'
  ):
    data.check_scale(sets, template_size=63, context_amount=0.5)


@pytest.mark.parametrize(
  ('name', 'value'), [('template_size', 63), ('context_amount', 0.3)]
)
def test_a_set_cut_at_another_scale_is_refused(tmp_path, name, value):
  scale = {'template_size': 127, 'context_amount': 0.5}
  manifest = {'version': clip_set.VERSION, **scale, name: value}
  (tmp_path / 'manifest.json').write_text(json.dumps(manifest))
  sets = [DataSet(path=tmp_path, weight=1.0, gap=1)]
  with pytest.raises(ValueError, match=f'{name}={value}, but the tracker'):
    data.check_scale(sets, **scale)
