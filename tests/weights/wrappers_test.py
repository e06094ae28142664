"""Tests of finding the state dict in a checkpoint, and of removing prefixes."""

import numpy as np
import pytest

from acm_jax.weights import wrappers

ONE, TWO = np.ones(2), np.full(2, 2.0)


def arrays(content):
  return wrappers.unwrap(content).arrays


@pytest.mark.parametrize(
  'name',
  [
    *('state_dict', 'model_state_dict', 'model.state_dict', 'net', 'network'),
    *('model', 'module', 'ema', 'state_dict_ema', 'params', 'weights'),
  ],
)
def test_a_wrapper_is_removed(name):
  found = wrappers.unwrap({'epoch': 3, name: {'a.weight': ONE}})
  assert list(found.arrays) == ['a.weight']
  assert found.ignored == {'epoch'}
  assert found.entry == (name,)


@pytest.mark.parametrize(
  'names',
  [
    ('model', 'state_dict'),
    ('state_dict', 'model'),
    ('state_dict', 'state_dict'),
    ('ema', 'module'),
    ('net', 'model_state_dict', 'network'),
  ],
  ids='.'.join,
)
def test_nested_wrappers_are_removed(names):
  content = {'a.weight': ONE}
  for depth, name in enumerate(reversed(names)):
    content = {name: content, f'other{depth}': 3}
  found = wrappers.unwrap(content)
  assert list(found.arrays) == ['a.weight']
  assert found.ignored == {f'other{depth}' for depth in range(len(names))}
  assert found.entry == names


@pytest.mark.parametrize(
  'prefix',
  [
    *('module.', '_orig_mod.', 'model.', 'network.', 'net.', 'state_dict.'),
    *(
      'module.module.',
      'module._orig_mod.',
      '_orig_mod.module.',
      'ema.module.',
    ),
    'model.network._orig_mod.module.model.',
    '_fsdp_wrapped_module.',
  ],
)
def test_prefixes_are_removed(prefix):
  assert list(arrays({f'{prefix}backbone.a': ONE})) == ['backbone.a']


def test_modules_that_torch_inserts_are_removed_at_any_depth():
  content = {'backbone._orig_mod.a': ONE, 'head.module.b': ONE}
  assert list(arrays(content)) == ['backbone.a', 'head.b']


def test_prefixes_may_differ_between_keys():
  content = {'module.a': ONE, 'model.b': ONE, 'c': ONE, 'model': ONE}
  assert list(arrays(content)) == ['a', 'b', 'c', 'model']


def test_names_that_only_begin_like_a_prefix_are_kept():
  keys = ['modules.a', 'model_a.b', 'network2.c', 'neck.model.d']
  assert list(arrays(dict.fromkeys(keys, ONE))) == keys


def test_keys_with_different_values_that_become_equal_are_refused():
  message = r'model\.a and ema\.a are both a without their prefixes'
  with pytest.raises(ValueError, match=message):
    wrappers.unwrap({'model.a': ONE, 'ema.a': TWO})
  assert arrays({'module.a': ONE, 'a': ONE})['a'] is ONE


def test_two_models_with_the_same_keys_are_refused():
  message = 'state_dict and network have different values for the same key a'
  with pytest.raises(ValueError, match=message):
    wrappers.unwrap({'network': {'module.a': TWO}, 'state_dict': {'a': ONE}})


def test_two_copies_of_a_model_count_as_one():
  content = {'model': {'a': ONE}, 'state_dict': {'a': ONE.copy()}}
  assert wrappers.unwrap(content).entry == ('state_dict',)


@pytest.mark.parametrize('name', ['ema', 'model_ema', 'state_dict_ema'])
def test_averages_of_the_weights_are_ignored_next_to_the_weights(name):
  found = wrappers.unwrap({name: {'a': TWO}, 'model': {'a': ONE}})
  assert found.arrays['a'] is ONE
  assert found.ignored == {name}


def test_an_entry_without_arrays_is_no_wrapper():
  content = {'state_dict': {'a': ONE}, 'model': {'depth': 3}, 'net': 'resnet'}
  found = wrappers.unwrap(content)
  assert found.entry == ('state_dict',)
  assert found.ignored == {'model', 'net'}


@pytest.mark.parametrize(
  ('content', 'entries'),
  [
    ({}, 'none'),
    ({'epoch': 3, 'state_dict': {}}, 'epoch, state_dict'),
    ({'generator': {'a': ONE}, 7: ONE}, 'generator, 7'),
    ({'loss': np.float64(3)}, 'loss'),
  ],
)
def test_a_checkpoint_without_a_state_dict_is_refused(content, entries):
  with pytest.raises(ValueError, match=f'first entries: {entries}\\)'):
    wrappers.unwrap(content)
