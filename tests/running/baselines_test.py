"""The trackers that others are compared with."""

import numpy as np
import pytest

from acm_jax.evaluation.metrics import overlaps
from acm_jax.running.baselines import BASELINES, BaselineFollower

BOX = np.array([30.0, 40.0, 24.0, 20.0], dtype=np.float32)


def moving_square(frames):
  """A textured patch that moves by (2, 1) px a frame over a dark ground."""
  rng = np.random.default_rng(0)
  patch = rng.integers(60, 255, (20, 24, 3), dtype=np.uint8)
  ground = rng.integers(0, 40, (120, 160, 3), dtype=np.uint8)
  for i in range(frames):
    frame = ground.copy()
    frame[40 + i : 60 + i, 30 + 2 * i : 54 + 2 * i] = patch
    yield frame


def follow(name, frames):
  """Boxes after the first."""
  first, *rest = moving_square(frames)
  lanes = BaselineFollower(name)
  lanes.start(first, {0: BOX})
  return np.stack([lanes.advance({0: image})()[0].box_xywh for image in rest])


@pytest.mark.parametrize('name', BASELINES)
def test_a_baseline_gives_a_box_a_frame(name):
  assert follow(name, 4).shape == (3, 4)


def test_the_first_box_stays_where_it_was():
  boxes = follow('first_box', 5)
  np.testing.assert_array_equal(boxes, np.tile(BOX, (4, 1)))


def test_mil_follows_the_target_and_repeats_itself():
  boxes = follow('mil', 8)
  true = BOX[None] + np.array([14, 7, 0, 0])
  first = overlaps(BOX[None].astype(float), true.astype(float))
  # MIL's samples lie some px apart: it follows coarsely.
  assert overlaps(boxes[-1:], true.astype(float)) > 2 * first
  again = follow('mil', 8)
  np.testing.assert_array_equal(boxes, again)


def test_a_step_that_is_not_fetched_is_not_done():
  lanes = BaselineFollower('mil')
  first, second, *_ = moving_square(3)
  lanes.start(first, {0: BOX})
  dropped = lanes.advance({0: np.zeros_like(second)})
  lanes.start(first, {0: BOX})
  found = lanes.advance({0: second})()[0].box_xywh
  np.testing.assert_array_equal(found, follow('mil', 2)[0])
  assert callable(dropped)


def test_an_unknown_baseline_lists_the_known():
  with pytest.raises(ValueError, match="no 'kcf'; there are first_box, mil"):
    BaselineFollower('kcf')
