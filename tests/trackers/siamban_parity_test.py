"""Labels and losses of SiamBAN equal those of the official code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import losses
from acm_jax.geometry import boxes, grid
from acm_jax.trackers.siamban import targets
from tests import formulas


def assert_close(ours, expected):
  # float32 against float64; the measured error on a CPU is 2e-6.
  largest = np.abs(expected).max()
  np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * largest)


@pytest.mark.parametrize('negative', [0, 1], ids=['positive', 'negative'])
def test_label_maps_equal_the_official_ones(negative):
  figures = formulas.load('labels_ban')
  points = grid.points(25, 8) + 127
  for i, corners in enumerate(figures['target_boxes']):
    box = boxes.xyxy_to_cxcywh(jnp.asarray(corners, jnp.float32))
    dense = targets.dense_targets(points, box, jnp.asarray(not negative))
    label = np.where(dense.cls_weight > 0, dense.cls, -1)
    np.testing.assert_array_equal(label, figures[f'cls_neg{negative}'][i])
    np.testing.assert_allclose(
      dense.loc, formulas.nhwc(figures[f'loc_neg{negative}'])[i], atol=1e-4
    )


def test_losses_and_gradients_equal_the_official_ones():
  figures = formulas.load('losses_ban')
  draw, shape = formulas.rng('loss'), (3, 4, 25, 25)
  logits = draw.standard_normal((3, 2, 25, 25))
  loc = np.exp(draw.standard_normal(shape) + 3)
  label = draw.integers(-1, 2, (3, 25, 25))
  target = np.exp(draw.standard_normal(shape) + 3)
  cls = jnp.asarray(np.maximum(label, 0))
  counts = jnp.asarray(label >= 0, jnp.float32)

  def parts(logits, loc):
    return (
      losses.balanced_nll(logits, cls, counts),
      losses.linear_iou(loc, as_f32(target), jnp.asarray(label == 1, float)),
    )

  def as_f32(x):
    return jnp.asarray(formulas.nhwc(x), jnp.float32)

  inputs = as_f32(logits), as_f32(loc)
  cls_loss, loc_loss = parts(*inputs)
  np.testing.assert_allclose(cls_loss, figures['cls_loss'], rtol=1e-6)
  np.testing.assert_allclose(loc_loss, figures['loc_loss'], rtol=1e-6)
  dcls, dloc = jax.grad(lambda *x: sum(parts(*x)), (0, 1))(*inputs)
  assert_close(dcls, formulas.nhwc(figures['dcls']))
  assert_close(dloc, formulas.nhwc(figures['dloc']))
