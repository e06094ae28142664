"""Tests of the tracking loop against the official code."""

import functools
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.geometry import context
from acm_jax.trackers.siamban.tracker import SiamBan
from acm_jax.trackers.siamese import Outputs
from acm_jax.trackers.siamrpn.tracker import SiamRpn
from acm_jax.tracking import loop
from acm_jax.tracking.contract import Frame, Hparams
from acm_jax.tracking.crop import mean_color, square_crop
from tests import formulas

SIZE = jnp.array([240, 320])


class FormulaMaps(nn.Module):
  """Network that returns given maps, and encodes its inputs unchanged."""

  # Only the stride of the backbone is read.
  backbone = types.SimpleNamespace(stride=8)

  maps: tuple = ()

  def encode(self, template, box_size, **_):
    return {'template': template, 'box_size': box_size}

  def respond(self, kernel, search, **_):
    # The maps are variables, so that one program serves all frames.
    cls = self.get_variable('maps', 'cls')
    return Outputs(cls=cls, loc=self.get_variable('maps', 'loc'))


@functools.cache
def frame(index):
  return Frame(jnp.asarray(formulas.frame(index)), SIZE)


def maps(sequence, index):
  rng = formulas.rng(f'maps{sequence}:{index}')
  cls = 2 * rng.standard_normal((1, 2, 25, 25))
  loc = 30 * np.exp(0.4 * rng.standard_normal((1, 4, 25, 25)))
  as_f32 = {'cls': cls, 'loc': loc}
  as_f32 = {k: formulas.nhwc(v).astype(np.float32) for k, v in as_f32.items()}
  return {'maps': as_f32}


def anchor_maps(sequence, index):
  rng = formulas.rng(f'maps{sequence}:{index}')
  cls = 2 * rng.standard_normal((1, 10, 25, 25))
  loc = 0.2 * rng.standard_normal((1, 20, 25, 25))
  by_anchor = {
    name: value.reshape(1, values, 5, 25, 25)
    .transpose(0, 3, 4, 2, 1)
    .astype(np.float32)
    for name, value, values in (('cls', cls, 2), ('loc', loc, 4))
  }
  return {'maps': by_anchor}


@pytest.mark.parametrize('sequence', [0, 1, 2])
@pytest.mark.parametrize(
  ('name', 'kind', 'maps'),
  [('tracker_ban', SiamBan, maps), ('tracker_rpn', SiamRpn, anchor_maps)],
  ids=['siamban', 'siamrpn'],
)
def test_boxes_and_scores_equal_those_of_the_official_code(
  sequence, name, kind, maps
):
  reference = formulas.load(name)
  tracker = kind(FormulaMaps())
  penalty_k, window_influence, size_lr = reference['track_hparams']
  hparams = Hparams(
    jnp.float32(penalty_k), jnp.float32(window_influence), jnp.float32(size_lr)
  )
  box = jnp.asarray(reference[f'seq{sequence}_init_box'], jnp.float32)
  step = jax.jit(functools.partial(loop.step, tracker))
  state = loop.init(tracker, {}, frame(0), box)
  results = []
  for i in range(1, 24):
    variables = maps(sequence, i)
    state, tracked = step(variables, hparams, state, frame(i))
    results.append(tracked)
  boxes = np.stack([t.box_xywh for t in results])
  # Rounding in float32 moves the boxes of 23 frames by less than 1e-4 px.
  expected = reference[f'seq{sequence}_boxes']
  np.testing.assert_allclose(boxes, expected, atol=1e-3)
  scores = np.stack([t.score for t in results])
  expected = reference[f'seq{sequence}_scores']
  np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize('sequence', [0, 1, 2])
def test_template_crop_and_box_size_equal_the_official_ones(sequence):
  reference = formulas.load('tracker_ban')
  tracker = SiamBan(FormulaMaps())
  box = jnp.asarray(reference[f'seq{sequence}_init_box'], jnp.float32)
  kernel = loop.init(tracker, {}, frame(0), box).kernel
  expected = reference[f'seq{sequence}_template_crop']
  assert_same_image(kernel['template'][0], expected)
  expected_size = reference[f'seq{sequence}_template_bbox'][:, 2:]
  np.testing.assert_allclose(kernel['box_size'], expected_size, rtol=1e-6)


@pytest.mark.parametrize('sequence', [0, 1, 2])
@pytest.mark.parametrize('index', [1, 23])
def test_search_crops_equal_the_official_ones(sequence, index):
  reference = formulas.load('tracker_ban')
  if index == 1:
    x, y, w, h = reference[f'seq{sequence}_init_box']
    center = x + (w - 1) / 2, y + (h - 1) / 2
  else:
    x, y, w, h = reference[f'seq{sequence}_boxes'][index - 2]
    center = x + w / 2, y + h / 2
  side = context.context_side(w, h) * 255 / 127
  crop = square_crop(
    frame(index),
    jnp.array(center),
    jnp.round(side),
    255,
    mean_color(frame(0)),
  )
  expected = reference[f'seq{sequence}_search_crop{index}']
  assert_same_image(crop[..., ::-1], expected)


def assert_same_image(image, expected):
  # OpenCV rounds weights to 11 bits and results to whole grey levels, so values
  # differ by up to 2.
  difference = np.abs(np.asarray(image) - expected.astype(np.float32))
  assert difference.mean() < 1
  assert difference.max() <= 2


@functools.cache
def small_tracker(fusion):
  tracker = trackers.make(
    'siamban',
    backbone='alexnet',
    levels=(5,),
    neck=False,
    width=0.05,
    hidden=16,
    fusion=fusion,
  )
  return tracker, tracker.init_variables(jax.random.key(3))


BOXES = np.array(
  [[100, 80, 60, 40], [2, 3, 33, 90], [250.5, 190.25, 66, 47.5]], np.float32
)
HPARAMS = Hparams(0.08, 0.46, 0.44)


@pytest.mark.parametrize('smallest', [0.0, 4.0, 10.0])
def test_tracked_boxes_have_at_least_the_smallest_side(smallest):
  tracker = SiamBan(FormulaMaps(), smallest_side=smallest)
  box = jnp.array([100.0, 80, 3, 40])
  state = loop.init(tracker, {}, frame(0), box)
  # The size moves to the candidate's at the rate 0: it stays what it was.
  hparams = Hparams(0.08, 0.46, 0.0)
  _, tracked = loop.step(tracker, maps(0, 1), hparams, state, frame(1))
  expected = [max(smallest, 3), 40]
  np.testing.assert_allclose(tracked.box_xywh[2:], expected, rtol=1e-6)


def test_padding_of_a_bucket_is_never_read():
  tracker, variables = small_tracker('acm')
  box = jnp.asarray(BOXES[2])
  init = jax.jit(functools.partial(loop.init, tracker))
  step = jax.jit(functools.partial(loop.step, tracker))
  results = []
  for value in (0, 255):
    pixels = np.full((300, 400, 3), value, np.uint8)
    pixels[:240, :320] = formulas.frame(0)
    padded = Frame(jnp.asarray(pixels), SIZE)
    state = init(variables, padded, box)
    _, tracked = step(variables, HPARAMS, state, padded)
    results.append(tracked.box_xywh)
  np.testing.assert_array_equal(results[0], results[1])
