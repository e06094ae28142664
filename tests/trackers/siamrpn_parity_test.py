"""Labels and losses of SiamRPN equal those of the official code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import losses, trackers
from acm_jax.geometry import boxes
from acm_jax.trackers.siamese import Outputs, Targets
from acm_jax.trackers.siamrpn import targets
from tests import formulas

ANCHORS = 5


@pytest.fixture(scope='module')
def tracker():
  return trackers.make(
    'siamrpn', backbone='alexnet', levels=(5,), width=1 / 16, neck=False
  )


def anchor_last(array):
  """Moves the axis of the anchors: [..., k, h, w] to [..., h, w, k]."""
  return np.moveaxis(array, -3, -1)


@pytest.mark.parametrize('negative', [0, 1], ids=['positive', 'negative'])
def test_label_maps_equal_the_official_ones(negative):
  figures = formulas.load('labels_rpn')
  anchors = np.moveaxis(figures['anchors_center'], 0, -1).transpose(1, 2, 0, 3)
  for i, corners in enumerate(figures['target_boxes']):
    box = boxes.xyxy_to_cxcywh(jnp.asarray(corners, jnp.float32))
    dense = targets.dense_targets(anchors, box, jnp.asarray(not negative))
    label = np.where(dense.cls_weight > 0, dense.cls, -1)
    expected = anchor_last(figures[f'cls_neg{negative}'][i])
    np.testing.assert_array_equal(label, expected)
    if not negative:
      delta = np.moveaxis(anchor_last(figures['delta'][i]), 0, -1)
      # float32 rounding of logarithms and of ratios of pixels.
      np.testing.assert_allclose(dense.loc, delta, rtol=1e-5, atol=1e-5)


def test_anchors_equal_the_official_ones(tracker):
  figures = formulas.load('labels_rpn')['anchors_center']
  zero = jnp.zeros((25, 25, ANCHORS, 4))
  outputs = Outputs(cls=zero[..., :2], loc=zero)
  ours = np.array(tracker.decode(outputs).box_cxcywh)
  ours[..., :2] += 255 // 2
  expected = np.moveaxis(figures, 0, -1).transpose(1, 2, 0, 3)
  np.testing.assert_array_equal(ours, expected)


def test_losses_and_gradients_equal_the_official_ones(tracker):
  figures = formulas.load('losses_rpn')
  draw, cells = formulas.rng('loss'), (25, 25)
  cls = draw.standard_normal((3, 2 * ANCHORS, *cells))
  loc = draw.standard_normal((3, 4 * ANCHORS, *cells))
  label = draw.integers(-1, 2, (3, ANCHORS, *cells))
  target = draw.standard_normal((3, 4, ANCHORS, *cells))
  weight = (draw.uniform(0, 1, (3, ANCHORS, *cells)) > 0.9) / 16
  label = anchor_last(label)
  wanted = Targets(
    cls=jnp.asarray(np.maximum(label, 0)),
    loc=by_value(target.reshape(3, -1, *cells), 4),
    cls_weight=jnp.asarray(label >= 0, jnp.float32),
    loc_weight=jnp.asarray(anchor_last(weight), jnp.float32),
  )
  outputs = Outputs(cls=by_value(cls, 2), loc=by_value(loc, 4))
  _, parts = tracker.loss(outputs, wanted)
  for name in ('cls', 'loc'):
    # Sums of thousands of terms in float32; the measured error is 3e-7.
    np.testing.assert_allclose(parts[name], figures[f'{name}_loss'], rtol=2e-6)
  grads = jax.grad(lambda outputs: tracker.loss(outputs, wanted)[0])(outputs)
  for name, values in (('cls', 2), ('loc', 4)):
    expected = by_value(figures[f'd{name}'], values)
    np.testing.assert_allclose(
      getattr(grads, name),
      expected,
      rtol=0,
      atol=1e-5 * np.abs(expected).max(),
    )


def by_value(array, values):
  """Splits the channels: [b, v * k, h, w] to [b, h, w, k, v]."""
  split = array.reshape(array.shape[0], values, -1, *array.shape[2:])
  return jnp.asarray(split.transpose(0, 3, 4, 2, 1), jnp.float32)


def test_the_total_loss_weights_its_parts_as_the_official_loss(tracker):
  weights = formulas.load('losses_rpn')['weights']
  assert (1.0, tracker.loc_factor) == tuple(weights)


def test_l1_is_summed_over_locations_and_averaged_over_samples():
  loc, zero = jnp.ones((2, 3, 3, 4)), jnp.zeros((2, 3, 3, 4))
  weight = jnp.zeros((2, 3, 3)).at[0, 0, :2].set(0.5)
  assert losses.weighted_l1(loc, zero, weight) == 2.0
