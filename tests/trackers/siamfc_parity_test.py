"""SiamFC has the label map, loss and tracked boxes of the official code."""

import functools
import types

import cv2
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from acm_jax import losses
from acm_jax.geometry import grid
from acm_jax.trackers.siamfc import select, targets
from acm_jax.trackers.siamfc.tracker import SiamFc
from acm_jax.tracking import loop
from acm_jax.tracking.contract import Frame, Hparams
from tests import formulas

SCALES = tuple(1.0375 ** np.arange(-1, 2.0))


class FormulaMaps(nn.Module):
  """Network that returns the response maps stored in its variables."""

  # The stride is all that a tracker needs of the backbone.
  backbone = types.SimpleNamespace(stride=8)

  def encode(self, template, box_size, **_):
    return box_size

  def respond(self, kernel, search, **_):
    return self.get_variable('maps', 'cls')


def test_boxes_follow_the_official_state_machine():
  figures = formulas.load('tracker_siamfc')
  tracker = SiamFc(FormulaMaps(), search_scales=SCALES, pixel_shift=0.5)
  hparams = Hparams(-np.log(0.9745), 0.176, 0.59)
  # Official boxes are 1-based, ours are 0-based.
  offset = np.array([1.0, 1.0, 0.0, 0.0])
  box = jnp.asarray(figures['init_box'] - offset, jnp.float32)
  frame = Frame(jnp.asarray(formulas.frame(0)), jnp.array([240, 320]))
  state = loop.init(tracker, {}, frame, box)
  step = jax.jit(functools.partial(loop.step, tracker))
  y, x = np.mgrid[:17, :17]
  boxes = []
  for i in range(1, 24):
    draw = formulas.rng(f'resp:{i}')
    bx, by = draw.uniform(5, 11, 2)
    peak = 8 * np.exp(-((x - bx) ** 2 + (y - by) ** 2) / 8)
    maps = np.stack(
      [peak + 0.5 * draw.standard_normal((17, 17)) for _ in range(3)]
    )
    variables = {'maps': {'cls': maps.astype(np.float32)}}
    state, tracked = step(variables, hparams, state, frame)
    boxes.append(tracked.box_xywh)
  # float32 errors add up over 23 frames.
  np.testing.assert_allclose(boxes, figures['boxes'] - offset, atol=1e-3)


def test_label_map_equals_the_official_one():
  figures = formulas.load('tracker_siamfc')
  dense = targets.dense_targets(
    grid.points(17, 8) + 127, jnp.full(2, 127.0), jnp.asarray(True)
  )
  np.testing.assert_array_equal(dense.is_target, figures['label'])
  np.testing.assert_allclose(dense.weight, figures['weight'], rtol=1e-6)


def test_loss_equals_the_official_one():
  figures = formulas.load('tracker_siamfc')
  logit = formulas.rng('loss').standard_normal((4, 1, 17, 17))
  label = jnp.asarray(np.stack(4 * [figures['label']]), bool)
  weight = jnp.asarray(np.stack(4 * [figures['weight']]))
  loss = losses.weighted_logistic(
    jnp.asarray(logit[:, 0], jnp.float32), label, weight
  )
  np.testing.assert_allclose(loss, figures['loss'], rtol=1e-6)


def test_responses_are_enlarged_as_by_opencv():
  response = formulas.rng('response').standard_normal((17, 17))
  rows = select.enlarging(17)
  expected = cv2.resize(
    response.astype(np.float32), (272, 272), interpolation=cv2.INTER_CUBIC
  )
  # OpenCV's weights are float32.
  np.testing.assert_allclose(rows @ response @ rows.T, expected, atol=1e-5)
