"""Tracking in a video: what a target is given, what is refused."""

import jax
import numpy as np
import pytest

from acm_jax.tracking import video_tracker
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.engine import Programs
from acm_jax.tracking.video_tracker import VideoTracker
from tests import formulas

BOX = (100.0, 80.0, 60.0, 40.0)
OTHER = (150.0, 90.0, 50.0, 50.0)


def frames(count):
  return [formulas.frame(i) for i in range(count)]


@pytest.fixture(scope='module')
def tracker(tiny_model):
  return VideoTracker(tiny_model)


def update_all(tracker, images, box):
  tracker.init(images[0], box)
  return [tracker.update(image) for image in images[1:]]


def test_updates_equal_what_track_gives(tracker):
  by_update = update_all(tracker, frames(6), BOX)
  for ahead in (0, 1, 3):
    found = list(tracker.track(iter(frames(6)), [BOX], ahead=ahead))
    assert len(found) == 6
    for (one,), other in zip(found[1:], by_update, strict=True):
      np.testing.assert_array_equal(one.box, other.box)
      assert one[1:] == other[1:]


def test_a_result_is_a_box_and_plain_numbers(tracker):
  (first,), (second,) = tracker.track(frames(2), [BOX])
  np.testing.assert_array_equal(first.box, BOX)
  assert first[1:] == (1.0, False, 1.0)
  assert second.box.shape == (4,)
  assert [type(value) for value in second[1:]] == [float, bool, float]
  assert 0 <= second.score <= 1
  # The caller's own.
  for result in (first, second):
    result.box[:] += 1


def test_targets_at_once_equal_targets_one_by_one(tracker):
  together = list(tracker.track(frames(6), [BOX, OTHER]))
  for n, box in enumerate((BOX, OTHER)):
    alone = list(tracker.track(frames(6), [box]))
    for both, (one,) in zip(together, alone, strict=True):
      # The bound that is promised; float32 sums differ in their order alone.
      np.testing.assert_allclose(both[n].box, one.box, atol=1e-3)


def test_a_camera_is_answered_before_its_next_frame(tracker):
  shown = []

  def camera():
    for number, image in enumerate(frames(4)):
      shown.append(number)
      yield image

  for number, _ in enumerate(tracker.track(camera(), [BOX], ahead=0)):
    assert shown[-1] == number


def test_each_target_may_have_its_own_hyperparameters(tiny_model):
  columns = np.array([[0.001, 0.4], [0.1, 0.8], [0.4, 0.9], [0.5, 0.0], [0, 0]])

  def follow(boxes, hparams):
    found = video_tracker.follow(tiny_model, frames(5), boxes, hparams=hparams)
    return np.array([[one.box_xywh for one in row] for row in found])

  together = follow([BOX, BOX], Hparams(*columns))
  for n, own in enumerate(columns.T):
    alone = follow([BOX], Hparams(*own[:, None]))
    # The bound that is promised; float32 sums differ in their order alone.
    np.testing.assert_allclose(together[:, n], alone[:, 0], atol=1e-3)
  # So that the above can fail.
  assert np.ptp(together, axis=1).max() > 1


def test_trackers_in_turn_are_independent_and_leave_the_process_as_it_was(
  tiny_model,
):
  """Each would hold JAX's own precision open while it waits for a frame."""
  one, other = (VideoTracker(tiny_model) for _ in range(2))
  alone = list(one.track(frames(4), [BOX]))
  with jax.default_matmul_precision('default'):
    for (first,), (second,), (expected,) in zip(
      one.track(frames(4), [BOX]),
      other.track(frames(4), [BOX]),
      alone,
      strict=True,
    ):
      assert jax.config.jax_default_matmul_precision == 'default'
      np.testing.assert_array_equal(first.box, second.box)
      np.testing.assert_array_equal(first.box, expected.box)


def test_another_target_takes_the_place_of_the_first(tracker):
  before = update_all(tracker, frames(3), BOX)
  update_all(tracker, frames(3), OTHER)
  again = update_all(tracker, frames(3), BOX)
  for one, other in zip(before, again, strict=True):
    np.testing.assert_array_equal(one.box, other.box)


def test_update_needs_a_target(tiny_model):
  tracker = VideoTracker(tiny_model)
  with pytest.raises(RuntimeError, match=r'call init\(image, box\) first'):
    tracker.update(formulas.frame(0))
  with pytest.raises(ValueError, match='has no area'):
    tracker.init(formulas.frame(0), (1, 2, 0, 4))
  with pytest.raises(RuntimeError, match='no target'):
    tracker.update(formulas.frame(0))


GREY = formulas.frame(0)[..., 0]


@pytest.mark.parametrize(
  ('image', 'message'),
  [
    (GREY, r'has the shape \[240, 320\]; give \[h, w, 3\], RGB'),
    (np.dstack([formulas.frame(0), GREY]), r'\[240, 320, 4\]'),
    (formulas.frame(0) / 255.0, 'is of float64; give uint8'),
    (formulas.frame(0)[:0], r'\[0, 320, 3\]'),
  ],
  ids=['grey', 'transparent', 'float', 'empty'],
)
def test_an_image_of_another_kind_is_refused(tracker, image, message):
  with pytest.raises(ValueError, match=message):
    tracker.init(image, BOX)
  tracker.init(formulas.frame(0), BOX)
  with pytest.raises(ValueError, match=message):
    tracker.update(image)


@pytest.mark.parametrize(
  ('box', 'message'),
  [
    ((10, 10, 0, 5), 'box 10,10,0,5 has no area'),
    ((10, 10, 5, -5), 'has no area'),
    ((np.nan, 10, 5, 5), 'box nan,10,5,5 is not finite'),
    ('1,2,3,4', 'is not of numbers'),
    (((1, 2), 3), 'is not of numbers'),
    ((320, 10, 5, 5), 'lies outside the frame of 320 x 240'),
    ((-9, 10, 9, 5), 'lies outside'),
    ((1, 2, 3), 'box 1,2,3 has no four numbers'),
  ],
  ids=[
    'flat',
    'negative',
    'nan',
    'text',
    'ragged',
    'right of it',
    'left of it',
    'three',
  ],
)
def test_a_box_that_cannot_be_tracked_is_refused(tracker, box, message):
  with pytest.raises(ValueError, match=message):
    tracker.init(formulas.frame(0), box)
  with pytest.raises(ValueError, match=message):
    list(tracker.track(frames(2), [box]))


def test_a_frame_of_another_size_is_refused_and_named(tracker):
  images = [*frames(3), formulas.frame(3)[:200]]
  message = '320 x 200 pixels where the first frame has 320 x 240'
  found = tracker.track(images, [BOX])
  # What is known before it is given.
  for _ in range(3):
    next(found)
  with pytest.raises(ValueError, match=f'frame 3, counted from 0: {message}'):
    next(found)
  with pytest.raises(ValueError, match=message):
    update_all(tracker, images, BOX)


def test_a_video_needs_frames_and_targets(tracker):
  with pytest.raises(ValueError, match='no frames'):
    list(tracker.track([], [BOX]))
  with pytest.raises(ValueError, match=r'boxes of the shape \[4\]: give a row'):
    list(tracker.track(frames(2), BOX))


def test_numbers_of_targets_share_programs(tiny_model):
  """Three targets and four take the programs of four lanes."""
  boxes, programs = np.array([BOX, BOX, BOX, BOX]), Programs()
  few, many = (
    list(video_tracker.follow(tiny_model, frames(3), boxes[:n], programs))
    for n in (3, 4)
  )
  assert len(programs) == 3
  assert [len(found) for found in few] == [3] * 3
  for three, four in zip(few, many, strict=True):
    for ours, theirs in zip(three, four, strict=False):
      np.testing.assert_array_equal(ours.box_xywh, theirs.box_xywh)
