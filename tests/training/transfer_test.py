"""Weights of another run: those that fit are copied, the others are named."""

import numpy as np
import pytest

from acm_jax.training import transfer


def variables(value, **parts):
  """Makes variables of a backbone and of further parts with one kernel each."""
  params = {name: {'kernel': np.full(s, value)} for name, s in parts.items()}
  stem = {'kernel': np.full((2, 2), value), 'bn': {'scale': np.full(2, value)}}
  return {
    'params': {'backbone': {'stem': stem}, **params},
    'batch_stats': {'backbone': {'stem': {'bn': {'mean': np.full(2, value)}}}},
  }


def test_all_weights_of_the_same_network_are_copied():
  filled, summary = transfer.fill(
    variables(0.0, head=3), variables(1.0, head=3)
  )
  assert filled['params']['head']['kernel'].tolist() == [1, 1, 1]
  assert summary == 'backbone 3/3, head 1/1'


def test_a_backbone_is_copied_and_the_rest_stays_new():
  filled, summary = transfer.fill(variables(0.0, head=3), variables(1.0))
  assert summary == 'backbone 3/3; new: head/...'
  assert filled['params']['backbone']['stem']['kernel'].all()
  assert filled['batch_stats']['backbone']['stem']['bn']['mean'].all()
  assert filled['params']['head']['kernel'].tolist() == [0, 0, 0]


def test_the_shared_parts_of_a_different_network_are_copied():
  ours, theirs = variables(0.0, head=3), variables(1.0, head=3, neck=4)
  acm = {'theta': np.zeros(5), 'bn': {'scale': np.zeros(5)}}
  ours['params']['head']['acm'] = acm
  ours['batch_stats']['head'] = {'acm': {'bn': {'mean': np.zeros(5)}}}
  theirs['params']['head']['bias'] = np.ones(3)
  filled, summary = transfer.fill(ours, theirs)
  assert filled['params']['head']['kernel'].tolist() == [1, 1, 1]
  assert filled['params']['head']['acm']['theta'].tolist() == [0] * 5
  assert summary == (
    'backbone 3/3, head 1/4; new: head/acm/...; unused: head/bias, neck/...'
  )


def test_a_network_of_another_width_is_refused_with_both_shapes():
  ours = variables(0.0, head=3, a=1, b=1, c=1)
  theirs = variables(1.0, head=5, a=2, b=2, c=2)
  message = r'a/kernel has shape \(2,\) instead of \(1,\), .*, and 1 more; set'
  with pytest.raises(ValueError, match=message):
    transfer.fill(ours, theirs)


def test_a_model_without_any_shared_array_is_refused():
  other = {'params': {'head': np.ones(3), 'spine': np.ones(4)}}
  with pytest.raises(ValueError, match='no array has the same path'):
    transfer.fill(variables(0.0), other)


def test_non_finite_weights_are_refused():
  with pytest.raises(ValueError, match='that are not finite'):
    transfer.fill(variables(0.0), variables(np.nan))
