"""SiamBAN and SiamBAN-ACM equal the official code's figures."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import losses, trackers
from acm_jax.geometry import boxes, grid
from acm_jax.modules.mode import EVAL
from acm_jax.trackers.siamban import targets
from acm_jax.weights import names, state_dict
from tests import formulas

# float32 against the float64 figures; measured 2e-6 on a CPU.
RELATIVE = 1e-5

MODELS = {
  'siamban_r50': {},
  'siamban_acm_r50': {'fusion': 'acm', 'head_size': 3},
}


@functools.cache
def outputs_of(model):
  tracker = trackers.make('siamban', **MODELS[model])
  shapes = jax.eval_shape(tracker.init, jax.random.key(0))
  variables = state_dict.to_variables(
    formulas.state_dict(model), shapes, names.naming('siamban', 'resnet50')
  )
  figures = formulas.load(model)
  box = figures.get('bbox', np.zeros((1, 4), np.float32))

  @jax.jit
  def run(variables, template, box_size, search):
    network = tracker.network.bind(variables)
    return {
      'outputs': network(template, box_size, search),
      'search': network.backbone(search, mode=EVAL),
      'template': network.features(template, mode=EVAL),
    }

  ours = run(
    variables,
    formulas.image('template', 127),
    box[:, 2:],
    formulas.image('search', 255),
  )
  return ours, figures


def assert_close(ours, expected):
  largest = np.abs(expected).max()
  np.testing.assert_allclose(ours, expected, rtol=0, atol=RELATIVE * largest)


@pytest.mark.parametrize('model', MODELS)
def test_network_outputs_equal_the_official_ones(model):
  ours, figures = outputs_of(model)
  assert_close(ours['outputs'].cls, formulas.nhwc(figures['cls']))
  assert_close(ours['outputs'].loc, formulas.nhwc(figures['loc']))


@pytest.mark.parametrize('model', MODELS)
def test_features_equal_the_official_ones(model):
  ours, figures = outputs_of(model)
  for level in range(3):
    backbone = np.asarray(ours['search'][level])
    stats = [backbone.mean(), backbone.std(ddof=1), np.abs(backbone).max()]
    assert_close(np.array(stats), figures[f'backbone{level}_stats'])
    piece = backbone[0, :4, :4, :8].transpose(2, 0, 1)
    np.testing.assert_allclose(
      piece,
      figures[f'backbone{level}_slice'],
      rtol=0,
      atol=RELATIVE * stats[2],
    )
    template = np.asarray(ours['template'][level])[0, 4:11, 4:11, :8]
    assert_close(
      template.transpose(2, 0, 1), figures[f'template_feature{level}_slice']
    )


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
