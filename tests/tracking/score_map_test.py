"""Tests of score maps: their scores, and their place in the frame."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.geometry import grid
from acm_jax.tracking.contract import Found, Hparams, Tracker
from acm_jax.tracking.engine import Engine
from acm_jax.tracking.model import Model
from acm_jax.tracking.video_tracker import VideoTracker
from tests import formulas

CELLS, CELL = 17, 15
BOX = (100.0, 80.0, 60.0, 40.0)


@dataclasses.dataclass(frozen=True)
class BrightTracker(Tracker):
  """Tracker that scores a cell by its brightness, whatever the template is."""

  network: nn.Module | None = None

  @property
  def stride(self):
    return CELL

  def preprocess(self, rgb):
    return rgb

  def targets(self, batch, rng):
    raise NotImplementedError

  def loss(self, outputs, targets):
    raise NotImplementedError

  def label_map(self, targets):
    raise NotImplementedError

  def encode(self, variables, template, box_size):
    return template[:, :1, :1, :1]

  def respond(self, variables, kernel, search):
    return search.reshape(-1, CELLS, CELL, CELLS, CELL, 3).mean((2, 4, 5)) / 255

  def score_map(self, outputs):
    return outputs[0]

  def select(self, outputs, state, hparams, scale):
    scores = outputs[0].ravel()
    best = jnp.argmax(scores)
    points = jnp.asarray(grid.points(CELLS, CELL)).reshape(-1, 2)
    center = state.center + points[best] / scale
    return Found(
      jnp.concatenate([center, state.size]), scores[best], scores[best]
    )


@pytest.mark.parametrize('at', [(60, 40), (200, 130), (131, 99), (225, 20)])
def test_the_brightest_cell_covers_the_only_bright_place(at):
  model = Model('bright', BrightTracker(), {}, Hparams(0.0, 0.0, 0.0))
  image = np.zeros((200, 260, 3), np.uint8)
  tracker = VideoTracker(model)
  tracker.init(image, BOX)
  x, y = at
  image[y - 2 : y + 3, x - 2 : x + 3] = 255
  scores, box = tracker.score_map(image, BOX)
  row, column = np.unravel_index(np.argmax(scores), scores.shape)
  cell = box[2:] / scores.shape
  low = box[:2] + cell * (column, row)
  # Crops begin at whole pixels.
  assert (low - 1 <= at).all()
  assert (at <= low + cell + 1).all()


def test_the_scores_are_those_that_update_selects_from(tiny_model):
  tracker = VideoTracker(tiny_model)
  images = [formulas.frame(i) for i in range(5)]
  tracker.init(images[0], BOX)
  before = tracker.update(images[1]).box
  for image in images[2:]:
    scores, _ = tracker.score_map(image, before)
    result = tracker.update(image)
    # The box gives the centre of the search region to float32 precision.
    assert np.abs(scores - result.score).min() < 1e-6
    before = result.box


def test_a_score_map_moves_no_target(tiny_model):
  tracker, alone = VideoTracker(tiny_model), VideoTracker(tiny_model)
  for each in (tracker, alone):
    each.init(formulas.frame(0), BOX)
  tracker.score_map(formulas.frame(4), (20, 20, 30, 30))
  for i in range(1, 4):
    one, other = (x.update(formulas.frame(i)) for x in (tracker, alone))
    np.testing.assert_array_equal(one.box, other.box)


def test_a_lane_is_scored_with_its_own_template(tiny_model):
  engine, alone = Engine(tiny_model, 2), Engine(tiny_model)
  image = formulas.frame(0)
  engine.start(image, {0: np.array(BOX), 1: np.array([150, 90, 50, 50])})
  alone.start(image, {0: np.array([150, 90, 50, 50])})
  box = np.array([140, 80, 60, 60])
  expected, place = alone.score_map(formulas.frame(1), box)
  scores, other_place = engine.score_map(formulas.frame(1), box, lane=1)
  # Only the order of float32 sums differs.
  np.testing.assert_allclose(scores, expected, atol=1e-5)
  np.testing.assert_array_equal(place, other_place)


def test_a_tracker_without_a_target_has_no_score_map(tiny_model):
  with pytest.raises(RuntimeError, match=r'call init.*before score_map'):
    VideoTracker(tiny_model).score_map(formulas.frame(0), BOX)
