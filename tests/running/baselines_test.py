"""Tests of the baseline trackers."""

import cv2
import numpy as np
import pytest

from acm_jax.evaluation.metrics import overlaps
from acm_jax.running.baselines import BaselineFollower

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


def fake_opencv(monkeypatch, *updates, tracker='TrackerMIL'):
  """Replaces a tracker of OpenCV by one with the given results of `update`.

  An exception among the results is raised. Only OpenCV's contrib package has
  the trackers other than MIL.
  """

  class Fake:
    @classmethod
    def create(cls):
      return cls()

    def init(self, image, box):
      self._updates = iter(updates)

    def update(self, image):
      result = next(self._updates)
      if isinstance(result, Exception):
        raise result
      return result

  monkeypatch.setattr(cv2, tracker, Fake, raising=False)


@pytest.mark.parametrize(
  ('name', 'tracker'),
  [('mil', 'TrackerMIL'), ('csrt', 'TrackerCSRT'), ('kcf', 'TrackerKCF')],
)
def test_a_baseline_returns_the_boxes_of_its_tracker(
  monkeypatch, name, tracker
):
  boxes = [[30, 40, 24, 20], [32, 41, 23, 20], [34, 42, 24, 21]]
  updates = [(True, tuple(box)) for box in boxes]
  fake_opencv(monkeypatch, *updates, tracker=tracker)
  assert follow(name, 4).tolist() == boxes


@pytest.mark.parametrize(
  'lost',
  [
    (False, (0, 0, 0, 0)),
    (True, (0, 0, 0, 0)),
    (True, (5, 6, float('nan'), 4)),
  ],
)
def test_a_lost_target_keeps_its_previous_box_and_is_reported(
  monkeypatch, lost
):
  fake_opencv(monkeypatch, (True, (1, 2, 3, 4)), lost, (True, (5, 6, 3, 4)))
  follower = BaselineFollower('mil')
  first, *rest = moving_square(4)
  follower.start(first, {0: BOX})
  found = [follower.advance({0: image})()[0] for image in rest]
  boxes = [each.box_xywh.tolist() for each in found]
  assert boxes == [[1, 2, 3, 4], [1, 2, 3, 4], [5, 6, 3, 4]]
  assert [bool(each.lost) for each in found] == [False, True, False]
  assert follower.take_failures() == []


def test_a_failure_lasts_until_the_next_start(monkeypatch):
  fake_opencv(monkeypatch, (True, (1, 2, 3, 4)), cv2.error('no memory'))
  follower = BaselineFollower('mil')
  first, *rest = moving_square(5)
  follower.start(first, {0: BOX})
  found = [follower.advance({0: image})()[0] for image in rest]
  assert [each.box_xywh.tolist() for each in found] == [[1, 2, 3, 4]] * 4
  assert [bool(each.lost) for each in found] == [False, True, True, True]
  assert follower.take_failures() == [
    '2 frames after the start on the box 30,40,24,20 in a frame of 160 x 120 '
    "px, OpenCV's TrackerMIL stops with no memory"
  ]
  assert follower.take_failures() == []
  follower.start(first, {0: BOX})
  assert not follower.advance({0: first})()[0].lost


@pytest.mark.parametrize(
  ('box', 'reason'),
  [
    ((30, 40, 4, 4), 'the box is too small for'),
    ((30, 40, 3.4, 5), 'the box is too small for'),
    ((30, 40, 60, 1), 'the box is too small for'),
    ((-5, 40, 24, 20), 'the box is not inside the frame'),
    ((140, 40, 21, 20), 'the box is not inside the frame'),
    ((30, 110, 24, 20), 'the box is not inside the frame'),
  ],
)
def test_mil_does_not_get_a_box_on_which_it_would_hang(
  monkeypatch, box, reason
):
  monkeypatch.setattr(cv2, 'TrackerMIL', None)
  follower = BaselineFollower('mil')
  first, second = moving_square(2)
  follower.start(first, {0: np.array(box, np.float32)})
  result = follower.advance({0: second})()[0]
  np.testing.assert_allclose(result.box_xywh, np.float32(box))
  assert result.lost
  (failure,) = follower.take_failures()
  assert failure.startswith('at the start on the box ')
  assert reason in failure


def test_an_assertion_of_opencv_is_the_reason_of_the_failure():
  follower = BaselineFollower('mil')
  image = next(moving_square(1))
  follower.start(image, {0: np.array([0.0, 0, 160, 120])})
  assert follower.take_failures() == [
    'at the start on the box 0,0,160,120 in a frame of 160 x 120 px, '
    "OpenCV's TrackerMIL stops with (-215:Assertion failed) "
    "!posSamples.empty() in function 'init'"
  ]


@pytest.mark.parametrize(
  'box', [(30, 40, 5, 4), (30, 40, 3, 6), (155, 115, 5, 5), (0, 0, 24, 20)]
)
def test_mil_tracks_small_boxes_and_boxes_at_the_edge(box):
  follower = BaselineFollower('mil')
  first, second = moving_square(2)
  follower.start(first, {0: np.array(box, np.float32)})
  assert not follower.advance({0: second})()[0].lost
  assert follower.take_failures() == []


def test_a_step_that_is_not_fetched_does_not_run(monkeypatch):
  fake_opencv(monkeypatch, (True, (1, 2, 3, 4)), (True, (5, 6, 3, 4)))
  follower = BaselineFollower('mil')
  first, second, third = moving_square(3)
  follower.start(first, {0: BOX})
  follower.advance({0: second})
  tracked = follower.advance({0: third})()[0]
  assert tracked.box_xywh.tolist() == [1, 2, 3, 4]


def test_an_unknown_baseline_is_refused_and_the_known_ones_listed():
  message = "`baseline`='tld': unknown; choose from first_box, mil, csrt, kcf"
  with pytest.raises(ValueError, match=message):
    BaselineFollower('tld')
