"""Tests of the comparison of a network's outputs with expected ones."""

import pickle

import jax
import numpy as np
import pytest

from acm_jax.weights import verify


@pytest.fixture(scope='module')
def inputs(tiny_tracker):
  """Inputs of the tiny tracker's network."""
  tracker, *_ = tiny_tracker
  return {
    'template': np.ones((1, 3, *2 * [tracker.template_size]), np.float32),
    'search': np.ones((1, 3, *2 * [tracker.search_size]), np.float32),
  }


def zeros_like_cls(tracker, inputs):
  cells = tracker.network.response_size(tracker.search_size)
  return {**inputs, 'cls': np.zeros((1, 2, cells, cells), np.float32)}


def test_outputs_of_zeros_equal_an_expected_output_of_zeros(
  tiny_tracker, inputs
):
  tracker, variables, _ = tiny_tracker
  variables = jax.tree.map(np.zeros_like, variables)
  reference = zeros_like_cls(tracker, inputs)
  errors = verify.errors(tracker, variables, reference)
  assert errors == {'cls': (0, 0)}
  verify.check(errors)


def test_other_outputs_differ_from_an_expected_output_of_zeros(
  tiny_tracker, inputs
):
  tracker, variables, _ = tiny_tracker
  reference = zeros_like_cls(tracker, inputs)
  errors = verify.errors(tracker, variables, reference)
  assert errors['cls'][1] == np.inf
  with pytest.raises(RuntimeError, match=r'differs .*: cls'):
    verify.check(errors)


def test_an_output_that_the_network_lacks_is_named(tiny_tracker, inputs):
  tracker, variables, _ = tiny_tracker
  reference = {**inputs, 'response': np.zeros((1, 1, 17, 17))}
  with pytest.raises(ValueError, match=r'output response, .* cls and loc'):
    verify.errors(tracker, variables, reference)


def test_a_reference_that_is_no_npz_file_is_named(tmp_path):
  path = tmp_path / 'reference.npz'
  path.write_bytes(b'<html>')
  with pytest.raises(ValueError, match='no weights, but an HTML page'):
    verify.read(path)
  path.write_bytes(pickle.dumps(np.ones(3)))
  with pytest.raises(ValueError, match='is a pickle') as caught:
    verify.read(path)
  assert 'allow_pickle' not in str(caught.value)
