"""Weights of another run: the whole model, or what fits of its backbone."""

import numpy as np
import pytest

from acm_jax.training import transfer


def variables(value, head=(3,), stage=(2, 2)):
  return {
    'params': {
      'backbone': {
        'stem': np.full((4,), value),
        'stage': np.full(stage, value),
      },
      'head': np.full(head, value),
    },
    'batch_stats': {'backbone': {'stem': np.full((4,), value)}},
  }


def test_a_whole_model_is_taken_whole():
  filled, summary = transfer.fill(variables(0.0), variables(1.0))
  assert filled['params']['head'][0] == 1
  assert summary == 'backbone 3/3, head 1/1'


def test_of_another_model_the_backbone_is_taken():
  filled, summary = transfer.fill(
    variables(0.0), variables(1.0, head=(5,), stage=(1, 1))
  )
  assert summary == 'backbone 2/3'
  assert filled['params']['backbone']['stem'][0] == 1
  assert filled['params']['backbone']['stage'][0, 0] == 0
  assert filled['params']['head'].tolist() == [0, 0, 0]
  assert filled['batch_stats']['backbone']['stem'][0] == 1


def test_a_model_of_which_nothing_fits_is_refused():
  other = {'params': {'head': np.ones(3), 'spine': np.ones(4)}}
  with pytest.raises(ValueError, match='nothing in it fits'):
    transfer.fill(variables(0.0), other)


def test_weights_that_are_not_finite_are_refused():
  with pytest.raises(ValueError, match='is not finite'):
    transfer.fill(variables(0.0), variables(np.nan))
