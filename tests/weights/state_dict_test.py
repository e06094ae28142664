"""Tests of the strict conversion of state dicts to variables."""

import numpy as np
import pytest

from acm_jax.weights import names, state_dict

SHAPES = {
  'params': {
    'part': {
      'conv': {'kernel': np.empty((3, 3, 2, 5)), 'bias': np.empty(5)},
      'dense': {'kernel': np.empty((2, 7))},
    }
  },
  'batch_stats': {'part': {'bn': {'mean': np.empty(5)}}},
}


def weights():
  return {
    'part.conv.weight': np.arange(90.0).reshape(5, 2, 3, 3),
    'part.conv.bias': np.arange(5.0),
    'part.dense.weight': np.arange(14.0).reshape(7, 2),
    'part.bn.running_mean': np.ones(5),
    'part.bn.num_batches_tracked': np.array(7),
  }


def dotted(path):
  return path.replace('/', '.')


def test_arrays_are_converted_to_the_layouts_of_flax():
  filled = state_dict.to_variables(weights(), SHAPES, dotted)
  part = filled['params']['part']
  assert (
    part['conv']['kernel'][2, 1, 0, 4]
    == weights()['part.conv.weight'][4, 0, 2, 1]
  )
  assert part['dense']['kernel'][1, 6] == weights()['part.dense.weight'][6, 1]
  assert filled['batch_stats']['part']['bn']['mean'].dtype == np.float32


def test_all_keys_that_do_not_fit_are_named():
  wrong = weights()
  del wrong['part.conv.bias']
  wrong['part.extra'] = np.zeros(1)
  wrong['part.dense.weight'] = np.zeros((7, 3))
  with pytest.raises(ValueError, match='do not fit') as error:
    state_dict.to_variables(wrong, SHAPES, dotted)
  for fault in (
    'part.conv.bias is missing',
    'part.extra is unknown',
    'part.dense.weight has the shape (3, 7) instead of (2, 7)',
  ):
    assert fault in str(error.value)


def test_only_the_first_faults_of_each_kind_are_listed():
  unknown = {f'part.extra{number}': np.zeros(1) for number in range(500)}
  missing = {'params': {f'p{i:02}': {'bias': np.empty(5)} for i in range(20)}}
  with pytest.raises(ValueError, match='do not fit') as error:
    state_dict.to_variables(unknown, missing, dotted)
  text = str(error.value)
  assert 'p07.bias is missing and 12 more; part.extra0 is unknown;' in text
  assert text.endswith('part.extra104 is unknown and 492 more')


def test_an_unknown_backbone_is_refused_and_the_known_ones_listed():
  with pytest.raises(ValueError, match=r'siamban .*resnet50'):
    names.naming('siamban', 'alexnext', (5,))


@pytest.mark.parametrize('dtype', ['int8', 'bool', 'complex64'])
def test_arrays_without_floating_point_numbers_are_named(dtype):
  wrong = weights()
  wrong['part.dense.weight'] = np.ones((7, 2), dtype)
  message = rf'part\.dense\.weight has the type {dtype} instead of a float'
  with pytest.raises(ValueError, match=message):
    state_dict.to_variables(wrong, SHAPES, dotted)


def test_counters_of_training_steps_are_ignored():
  counted = {**weights(), 'n_averaged': np.array(3)}
  filled = state_dict.to_variables(counted, SHAPES, dotted)
  assert set(filled['params']['part']) == {'conv', 'dense'}


def test_an_unknown_prefix_of_all_keys_is_named():
  prefixed = {f'student.{key}': value for key, value in weights().items()}
  with pytest.raises(ValueError, match=r'without the prefix student\. Faults'):
    state_dict.to_variables(prefixed, SHAPES, dotted)


@pytest.mark.parametrize('value', [np.nan, 1e39])
def test_numbers_that_float32_cannot_represent_are_named(value):
  wrong = weights()
  wrong['part.conv.bias'] = np.full(5, value)
  with pytest.raises(ValueError, match=r'part\.conv\.bias has NaN or numbers'):
    state_dict.to_variables(wrong, SHAPES, dotted)
