"""Tests of finding the state dict in a checkpoint, and of removing prefixes."""

import numpy as np
import pytest

from acm_jax.weights import wrappers

ONE, TWO = np.ones(2), np.full(2, 2.0)
SCALAR = np.array(0.3)
WEIGHTS = {'net.weight': ONE, 'net.counter': SCALAR}


def arrays(content):
  return wrappers.unwrap(content).arrays


@pytest.mark.parametrize(
  'names',
  [
    *(['state_dict'], ['model.state_dict'], ['STATE_DICT'], ['modelState']),
    *(['generator'], ['netG'], ['student'], ['foo'], ['ema'], ['a', 'b', 'c']),
    *(['model', 'state_dict'], ['state_dict', 'state_dict'], ['ema', 'shadow']),
  ],
  ids='.'.join,
)
def test_a_single_state_dict_is_found_under_any_name(names):
  content = WEIGHTS
  for depth, name in enumerate(reversed(names)):
    content = {name: content, f'other{depth}': 3, f'score{depth}': SCALAR}
  found = wrappers.unwrap(content)
  assert found.arrays == WEIGHTS
  assert found.ignored == {
    f'{kind}{depth}'
    for kind in ('other', 'score')
    for depth in range(len(names))
  }
  assert found.entry == tuple(names)


@pytest.mark.parametrize(
  'other',
  [
    SCALAR,
    np.float64(3),
    np.arange(3),
    {'mean': ONE, 'std': ONE},
    {'state': {0: {'exp_avg': ONE, 'step': SCALAR}}, 'param_groups': [3]},
    {'state': {'net.weight': {'exp_avg': ONE}}},
    [ONE, [TWO]],
  ],
)
def test_other_arrays_are_no_state_dict(other):
  found = wrappers.unwrap({'other': other, 'foo': WEIGHTS})
  assert found.arrays == WEIGHTS
  assert found.ignored == {'other'}
  assert arrays({'other': other, **WEIGHTS})['net.weight'] is ONE


@pytest.mark.parametrize('wrap', [list, tuple])
def test_a_state_dict_in_a_list_is_found(wrap):
  found = wrappers.unwrap(wrap([3, WEIGHTS]))
  assert (found.arrays, found.entry) == (WEIGHTS, ('1',))


@pytest.mark.parametrize(
  'name',
  [
    *('state_dict', 'model_state_dict', 'model.state_dict', 'model_dict'),
    *('net', 'network', 'model', 'module', 'params', 'weights', 'weight'),
    *('model_weights', 'modelState', 'STATE_DICT', 'model-state-dict'),
  ],
)
@pytest.mark.parametrize('other', ['teacher', 'ema', 'netD', 'best_model'])
def test_weights_of_a_model_come_before_other_names(name, other):
  found = wrappers.unwrap({other: {'a.b': TWO}, name: {'a.b': ONE}})
  assert found.arrays['a.b'] is ONE
  assert found.ignored == {other}


@pytest.mark.parametrize(
  'name', ['ema', 'model_ema', 'modelEMA', 'state_dict_ema', 'swa_model']
)
@pytest.mark.parametrize('weights', ['model', 'student'])
def test_averages_of_the_weights_are_ignored_next_to_the_weights(name, weights):
  found = wrappers.unwrap({name: {'a.b': TWO}, weights: {'a.b': ONE}})
  assert found.arrays['a.b'] is ONE
  assert found.ignored == {name}


@pytest.mark.parametrize(
  ('content', 'names'),
  [
    ({'student': {'a.b': ONE}, 'teacher': {'a.b': TWO}}, 'student, teacher'),
    ({'model': {'a.b': ONE}, 'net': {'module.a.b': TWO}}, 'model, net'),
    (
      {'backbone': {'a.b': ONE}, 'head': {'c.d': ONE}, 'epoch': SCALAR},
      'backbone, head',
    ),
    ([{'a.b': ONE}, {'a.b': TWO}], '0, 1'),
    ({'a.b': ONE, 'foo': {'a.b': TWO}}, 'foo, the file itself'),
    ({'x': {f'y{i}': {'a.b': i * ONE} for i in range(99)}}, 'x.y7 and 91 more'),
  ],
)
def test_several_state_dicts_are_refused_and_listed(content, names):
  with pytest.raises(ValueError, match=r'several state dicts.*differ') as error:
    wrappers.unwrap(content)
  assert f'{names});' in str(error.value)


def test_two_copies_of_a_model_count_as_one():
  content = {'model': {'module.a': ONE}, 'state_dict': {'a': ONE.copy()}}
  assert wrappers.unwrap(content).entry == ('model',)


@pytest.mark.parametrize(
  'prefix',
  [
    *('module.', '_orig_mod.', 'module.module.', 'module._orig_mod.'),
    *('_fsdp_wrapped_module.', '_checkpoint_wrapped_module.'),
  ],
)
def test_modules_that_torch_inserts_are_removed_at_any_depth(prefix):
  content = {f'{prefix}a': ONE, f'b.{prefix}c': ONE, 'd': ONE}
  assert list(arrays(content)) == ['a', 'b.c', 'd']


def test_names_that_only_resemble_inserted_modules_are_kept():
  keys = ['modules.a', 'model_mod.b', '_blocks.c', 'module']
  assert list(arrays(dict.fromkeys(keys, ONE))) == keys


def test_keys_with_different_values_that_become_equal_are_refused():
  message = r'module\.a and a are both a without their prefixes'
  with pytest.raises(ValueError, match=message):
    wrappers.unwrap({'module.a': ONE, 'a': TWO})
  assert arrays({'module.a': ONE, 'a': ONE})['a'] is ONE


def test_an_entry_without_arrays_is_no_wrapper():
  content = {'state_dict': {'a': ONE}, 'model': {'depth': 3}, 'net': 'resnet'}
  found = wrappers.unwrap(content)
  assert found.entry == ('state_dict',)
  assert found.ignored == {'model', 'net'}


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ({}, r'first entries: none\)'),
    ({'epoch': 3, 'state_dict': {}}, r'first entries: epoch, state_dict\)'),
    ({7: ONE}, r'first entries: 7\)'),
    ({'loss': np.float64(3), 'a.b': SCALAR}, r'first entries: loss, a\.b\)'),
    ([3, ONE], 'an object of the type list'),
  ],
)
def test_a_checkpoint_without_a_state_dict_is_refused(content, message):
  with pytest.raises(ValueError, match=message):
    wrappers.unwrap(content)


KNOWN = {'feature.a', 'feature.b', 'head.c'}


def fitting(keys):
  found = wrappers.fitting(dict.fromkeys(keys, ONE), dict, KNOWN)
  return set(found)


@pytest.mark.parametrize('prefix', ['', 'x.', 'base_model.model.', 'feature.'])
def test_the_prefix_around_a_network_is_removed(prefix):
  assert fitting(f'{prefix}{key}' for key in KNOWN) == KNOWN


def test_keys_beside_the_prefix_are_kept():
  keys = {f'x.{key}' for key in KNOWN}
  assert fitting({*keys, 'loss.w'}) == {*KNOWN, 'loss.w'}


@pytest.mark.parametrize(
  'keys',
  [
    {'feature.a', 'feature.b'},
    {'x.q', 'x.r'},
  ],
  ids=['own prefix', 'no better'],
)
def test_a_prefix_is_kept_unless_the_rest_fits_better(keys):
  assert fitting(keys) == keys


def beside(*prefixes):
  return {f'{prefix}.{key}' for key in KNOWN for prefix in prefixes}


@pytest.mark.parametrize('other', ['ema_model', 'average', 'teacher'])
def test_of_several_networks_the_model_is_taken(other):
  keys = beside('model', other)
  assert fitting(keys) == {*KNOWN, *(k for k in keys if k.startswith(other))}


def test_several_networks_that_fit_are_refused():
  with pytest.raises(
    ValueError, match=r'several networks fit \(student., teach'
  ):
    fitting(sorted(beside('student', 'teacher')))


def test_a_prefix_without_which_two_keys_are_equal_is_kept():
  content = {'feature.a': TWO, 'x.feature.a': ONE, 'x.feature.b': ONE}
  assert set(wrappers.fitting(content, dict, KNOWN)) == set(content)


def test_an_error_of_the_adaptation_is_raised():
  def adapt(content):
    raise ValueError(f'not of this network: {min(content)}')

  with pytest.raises(ValueError, match=r'not of this network: x\.a'):
    wrappers.fitting({'x.a': ONE, 'x.b': ONE}, adapt, KNOWN)
