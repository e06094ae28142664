"""The plain forms compute the same as the fast ones, in single operations."""

import collections

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.modules import plain
from acm_jax.modules.convolution import convolve
from acm_jax.modules.depthwise import depthwise_conv
from acm_jax.modules.fusion import depthwise_xcorr, xcorr
from acm_jax.modules.pooling import max_pool
from tests import variables as random_variables
from tests.modules.prepared_test import TRACKERS

SIAMFC_DW = TRACKERS['siamfc'] | {'fusion': 'dw_xcorr'}
X = jnp.zeros((1, 9, 9, 4))
# Operators and their arguments; in the plain form, each is one operation.
OPERATORS = {
  '1x1 convolution': (convolve, X, jnp.zeros((1, 1, 4, 6))),
  'depthwise': (depthwise_conv, X, jnp.zeros((3, 3, 1, 4))),
  'depth-wise correlation': (depthwise_xcorr, X, jnp.zeros((1, 5, 5, 4))),
  'correlation': (xcorr, X, jnp.zeros((1, 5, 5, 4, 2))),
  'pooling': (max_pool, X),
}
SINGLE = {'conv_general_dilated', 'reduce_window_max'}
# Operations that only change shapes.
SHAPING = {'broadcast_in_dim', 'reshape', 'squeeze', 'transpose', 'rev'}


def operations(function, *args):
  """Counts the operations of a function, also within functions it calls."""

  def count(jaxpr):
    total = collections.Counter()
    for equation in jaxpr.eqns:
      inner = jax.extend.core.jaxprs_in_params(equation.params)
      parts = [count(each) for each in inner]
      total.update(*parts) if parts else total.update([equation.primitive.name])
    return total

  return count(jax.make_jaxpr(function)(*args).jaxpr)


@pytest.mark.parametrize('name', OPERATORS)
def test_a_plain_operator_is_a_single_operation(name):
  operator, *args = OPERATORS[name]
  with plain.forms():
    found = operations(operator, *args)
  found = {key: n for key, n in found.items() if key not in SHAPING}
  assert sum(found.values()) == 1
  assert set(found) <= SINGLE


@pytest.mark.parametrize('name', [*TRACKERS, 'siamfc-dw'])
def test_a_network_of_plain_forms_has_the_same_outputs(name):
  tracker = trackers.make(**TRACKERS.get(name, SIAMFC_DW))
  variables = random_variables.fill(tracker.init_variables)
  rng = np.random.default_rng(0)
  scales = len(tracker.search_scales)

  def crops(count, size):
    # SiamBAN's exponential of random outputs overflows for values up to 255.
    return jnp.asarray(rng.uniform(0, 1, (count, size, size, 3)), jnp.float32)

  template = crops(1, tracker.template_size)
  search = crops(scales, tracker.search_size)

  def outputs(variables):
    kernel = tracker.encode(variables, template, jnp.array([[60.0, 40.0]]))
    kernel = jax.tree.map(lambda x: jnp.repeat(x, scales, axis=0), kernel)
    return tracker.respond(variables, kernel, search)

  expected = jax.jit(outputs)(variables)
  with plain.forms():
    prepared = tracker.prepare(variables)
    found = jax.jit(lambda variables: outputs(variables))(prepared)
  for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    # Float32 sums in another order, through up to fifty layers.
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * np.abs(b).max())


def test_a_compiled_function_has_the_forms_of_the_block_that_calls_it():
  compiled = jax.jit(max_pool)
  fast = str(jax.make_jaxpr(compiled)(X))
  with plain.forms():
    assert str(jax.make_jaxpr(compiled)(X)) != fast
  assert str(jax.make_jaxpr(compiled)(X)) == fast


def test_plain_forms_end_with_the_block_even_after_an_error():
  def fail():
    with plain.forms():
      assert plain.selected()
      raise RuntimeError

  with pytest.raises(RuntimeError):
    fail()
  assert not plain.selected()
