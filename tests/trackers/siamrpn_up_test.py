"""SiamRPN with UP-XCorr, without official figures, equals a NumPy oracle."""

import functools

import jax.numpy as jnp
import numpy as np

from acm_jax import trackers
from acm_jax.weights import state_dict
from acm_jax.weights.names import naming
from tests import formulas, oracles

# Shapes of the head's weights in pysot.
HEAD = {
  'rpn_head.template_cls_conv': (160, 16, 3, 3),
  'rpn_head.template_loc_conv': (320, 16, 3, 3),
  'rpn_head.search_cls_conv': (16, 16, 3, 3),
  'rpn_head.search_loc_conv': (16, 16, 3, 3),
  'rpn_head.loc_adjust': (20, 20, 1, 1),
}


@functools.cache
def network():
  """Returns a narrow SiamRPN, the shapes of its variables, and its naming."""
  tracker = trackers.make(
    'siamrpn',
    backbone='alexnet_legacy',
    levels=(5,),
    width=1 / 16,
    neck=False,
    weighted=False,
    hidden=16,
    fusion='up_xcorr',
  )
  shapes = trackers.shapes(tracker)
  name = naming('siamrpn', 'alexnet_legacy', (5,))
  return tracker, shapes, name


def head_weights():
  weights = {f'{key}.weight': shape for key, shape in HEAD.items()}
  weights |= {f'{key}.bias': shape[:1] for key, shape in HEAD.items()}
  return {key: formulas.weight(key, shape) for key, shape in weights.items()}


def test_parameters_have_the_names_of_the_official_code():
  _, shapes, name = network()
  keys = state_dict.keys(shapes, name)
  head = {key for key in keys if not key.startswith('backbone.features.')}
  assert head == set(head_weights())


def test_outputs_equal_the_oracle():
  tracker, shapes, name = network()
  head = {'params': {k: v for k, v in shapes['params'].items() if '_5' in k}}
  params = state_dict.to_variables(head_weights(), head, name)['params']
  weights = {
    key.removeprefix('rpn_head.'): value
    for key, value in head_weights().items()
  }
  rng = formulas.rng('features')
  # AlexNet has 16 channels at this width.
  template, search = (
    rng.standard_normal((2, cells, cells, 16)).astype(np.float32)
    for cells in (6, 22)
  )
  for kind in ('cls', 'loc'):

    def branch(network, kind=kind):
      part = getattr(network, kind)['5']
      kernel = part.encode(jnp.asarray(template), None, train=False)
      return part.respond(kernel, jnp.asarray(search), train=False)[0]

    ours = tracker.network.apply({'params': params}, method=branch)
    expected = oracles.up_channel_rpn(template, search, weights, kind)
    # float32 sums of 2,304 products against float64.
    largest = np.abs(expected).max()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * largest)
