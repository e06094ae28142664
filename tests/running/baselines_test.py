"""Tests of the baseline trackers."""

import cv2
import numpy as np
import pytest

from acm_jax.evaluation.metrics import overlaps
from acm_jax.running.baselines import BASELINES, BaselineFollower

BOX = np.array([30.0, 40.0, 24.0, 20.0], dtype=np.float32)


def moving_square(frames):
  """Yields frames of a textured patch that moves by (2, 1) px per frame."""
  rng = np.random.default_rng(0)
  patch = rng.integers(60, 255, (20, 24, 3), dtype=np.uint8)
  background = rng.integers(0, 40, (120, 160, 3), dtype=np.uint8)
  for i in range(frames):
    frame = background.copy()
    frame[40 + i : 60 + i, 30 + 2 * i : 54 + 2 * i] = patch
    yield frame


def follow(name, frames):
  """Tracks the patch with a baseline; returns the boxes after the first one."""
  first, *rest = moving_square(frames)
  follower = BaselineFollower(name)
  follower.start(first, {0: BOX})
  return np.stack(
    [follower.advance({0: image})()[0].box_xywh for image in rest]
  )


@pytest.fixture
def in_opencv(monkeypatch):
  """Adds trackers that only OpenCV's contrib package has, as copies of MIL."""
  for name in ('TrackerCSRT', 'TrackerKCF'):
    monkeypatch.setattr(cv2, name, cv2.TrackerMIL, raising=False)


@pytest.mark.parametrize('name', BASELINES)
def test_a_baseline_returns_a_box_per_frame(in_opencv, name):
  assert follow(name, 4).shape == (3, 4)


def test_a_tracker_that_opencv_does_not_have_is_refused(monkeypatch):
  monkeypatch.delattr(cv2, 'TrackerCSRT', raising=False)
  with pytest.raises(ValueError, match='TrackerCSRT; install opencv-contrib'):
    BaselineFollower('csrt')


def test_first_box_repeats_the_first_box():
  boxes = follow('first_box', 5)
  np.testing.assert_array_equal(boxes, np.tile(BOX, (4, 1)))


def test_mil_follows_the_target_and_is_deterministic():
  boxes = follow('mil', 8)
  true = BOX[None] + np.array([14, 7, 0, 0])
  first = overlaps(BOX[None].astype(float), true.astype(float))
  # MIL samples boxes several px apart, so it follows the target coarsely.
  assert overlaps(boxes[-1:], true.astype(float)) > 2 * first
  again = follow('mil', 8)
  np.testing.assert_array_equal(boxes, again)


def test_a_lost_target_keeps_its_previous_box_and_is_reported(monkeypatch):
  class Failing:
    @classmethod
    def create(cls):
      return cls()

    def init(self, image, box):
      self.boxes = iter([(True, (1, 2, 3, 4)), (False, (0, 0, 0, 0))])

    def update(self, image):
      return next(self.boxes)

  monkeypatch.setattr(cv2, 'TrackerMIL', Failing)
  follower = BaselineFollower('mil')
  first, *rest = moving_square(3)
  follower.start(first, {0: BOX})
  found, lost = (follower.advance({0: image})()[0] for image in rest)
  assert (found.box_xywh.tolist(), bool(found.lost)) == ([1, 2, 3, 4], False)
  assert (lost.box_xywh.tolist(), bool(lost.lost)) == ([1, 2, 3, 4], True)


def test_a_step_that_is_not_fetched_does_not_run():
  follower = BaselineFollower('mil')
  first, second, *_ = moving_square(3)
  follower.start(first, {0: BOX})
  discarded = follower.advance({0: np.zeros_like(second)})
  follower.start(first, {0: BOX})
  box_xywh = follower.advance({0: second})()[0].box_xywh
  np.testing.assert_array_equal(box_xywh, follow('mil', 2)[0])
  assert callable(discarded)


def test_an_unknown_baseline_is_refused_and_the_known_ones_listed():
  message = "`baseline`='tld': unknown; choose from first_box, mil, csrt, kcf"
  with pytest.raises(ValueError, match=message):
    BaselineFollower('tld')
