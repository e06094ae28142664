"""Weights of another run: what fits is taken, what does not is named."""

import numpy as np
import pytest

from acm_jax.training import transfer


def variables(value, **parts):
  """A network with a backbone, and further parts of one kernel each."""
  params = {name: {'kernel': np.full(s, value)} for name, s in parts.items()}
  stem = {'kernel': np.full((2, 2), value), 'bn': {'scale': np.full(2, value)}}
  return {
    'params': {'backbone': {'stem': stem}, **params},
    'batch_stats': {'backbone': {'stem': {'bn': {'mean': np.full(2, value)}}}},
  }


def test_a_whole_model_is_taken_whole():
  filled, summary = transfer.fill(
    variables(0.0, head=3), variables(1.0, head=3)
  )
  assert filled['params']['head']['kernel'].tolist() == [1, 1, 1]
  assert summary == 'backbone 3/3, head 1/1'


def test_of_a_backbone_all_is_taken_and_the_rest_is_new():
  filled, summary = transfer.fill(variables(0.0, head=3), variables(1.0))
  assert summary == 'backbone 3/3; new: head/...'
  assert filled['params']['backbone']['stem']['kernel'].all()
  assert filled['batch_stats']['backbone']['stem']['bn']['mean'].all()
  assert filled['params']['head']['kernel'].tolist() == [0, 0, 0]


def test_of_a_network_with_other_parts_the_shared_ones_are_taken():
  ours, theirs = variables(0.0, head=3), variables(1.0, head=3, neck=4)
  acm = {'theta': np.zeros(5), 'bn': {'scale': np.zeros(5)}}
  ours['params']['head']['acm'] = acm
  ours['batch_stats']['head'] = {'acm': {'bn': {'mean': np.zeros(5)}}}
  theirs['params']['head']['bias'] = np.ones(3)
  filled, summary = transfer.fill(ours, theirs)
  assert filled['params']['head']['kernel'].tolist() == [1, 1, 1]
  assert filled['params']['head']['acm']['theta'].tolist() == [0] * 5
  assert summary == (
    'backbone 3/3, head 1/4; new: head/acm/...; left over: head/bias, neck/...'
  )


def test_a_network_of_another_width_is_refused_with_both_shapes():
  ours = variables(0.0, head=3, a=1, b=1, c=1)
  theirs = variables(1.0, head=5, a=2, b=2, c=2)
  message = r'params/a/kernel \(2,\) there, \(1,\) here; .*; and 1 more; set'
  with pytest.raises(ValueError, match=message):
    transfer.fill(ours, theirs)


def test_a_model_of_which_nothing_fits_is_refused():
  other = {'params': {'head': np.ones(3), 'spine': np.ones(4)}}
  with pytest.raises(ValueError, match='nothing in it fits'):
    transfer.fill(variables(0.0), other)


def test_weights_that_are_not_finite_are_refused():
  with pytest.raises(ValueError, match='is not finite'):
    transfer.fill(variables(0.0), variables(np.nan))
