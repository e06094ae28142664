"""Tests of tracking in a video: results, and requests that are refused."""

import jax
import numpy as np
import pytest

from acm_jax.tracking import video_tracker
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.programs import Programs
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


def scalars(result):
  return result.score, result.lost, result.margin


def test_update_and_track_return_the_same_results(tracker):
  by_update = update_all(tracker, frames(6), BOX)
  for ahead in (0, 1, 3):
    by_track = list(tracker.track(iter(frames(6)), [BOX], ahead=ahead))
    assert len(by_track) == 6
    for (one,), other in zip(by_track[1:], by_update, strict=True):
      np.testing.assert_array_equal(one.box, other.box)
      assert scalars(one) == scalars(other)


def test_a_result_is_a_box_and_plain_numbers(tracker):
  (first,), (second,) = tracker.track(frames(2), [BOX])
  np.testing.assert_array_equal(first.box, BOX)
  assert scalars(first) == (1.0, False, 1.0)
  assert second.box.shape == (4,)
  assert [type(value) for value in scalars(second)] == [float, bool, float]
  assert 0 <= second.score <= 1
  # Boxes are writable copies.
  for result in (first, second):
    result.box[:] += 1


def test_targets_tracked_together_get_the_boxes_of_separate_runs(tracker):
  together = list(tracker.track(frames(6), [BOX, OTHER]))
  for n, box in enumerate((BOX, OTHER)):
    alone = list(tracker.track(frames(6), [box]))
    for both, (one,) in zip(together, alone, strict=True):
      # Only the order of float32 sums differs, so boxes agree to 1e-3 px.
      np.testing.assert_allclose(both[n].box, one.box, atol=1e-3)


def test_with_ahead_0_results_come_before_the_next_frame_is_read(tracker):
  numbers_read = []

  def camera():
    for number, image in enumerate(frames(4)):
      numbers_read.append(number)
      yield image

  for number, _ in enumerate(tracker.track(camera(), [BOX], ahead=0)):
    assert numbers_read[-1] == number


def test_each_target_can_have_its_own_hyper_parameters(tiny_model):
  hparams = Hparams(
    penalty_k=np.array([0.001, 0.4]),
    window_influence=np.array([0.1, 0.8]),
    size_lr=np.array([0.4, 0.9]),
    lost_score=np.array([0.5, 0.0]),
    found_score=np.zeros(2),
  )

  def follow(boxes, hparams):
    rows = video_tracker.follow(tiny_model, frames(5), boxes, hparams=hparams)
    return np.array([[tracked.box_xywh for tracked in row] for row in rows])

  together = follow([BOX, BOX], hparams)
  for n in range(2):
    own = jax.tree.map(lambda x, n=n: x[n : n + 1], hparams)
    alone = follow([BOX], own)
    # Only the order of float32 sums differs, so boxes agree to 1e-3 px.
    np.testing.assert_allclose(together[:, n], alone[:, 0], atol=1e-3)
  # The hyper-parameters make a difference.
  assert np.ptp(together, axis=1).max() > 1


def test_interleaved_trackers_are_independent_and_change_no_global_setting(
  tiny_model,
):
  """Checks that `track` sets no global precision between two frames."""
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


def test_init_replaces_the_previous_target(tracker):
  before = update_all(tracker, frames(3), BOX)
  update_all(tracker, frames(3), OTHER)
  again = update_all(tracker, frames(3), BOX)
  for one, other in zip(before, again, strict=True):
    np.testing.assert_array_equal(one.box, other.box)


def test_update_needs_a_target(tiny_model):
  tracker = VideoTracker(tiny_model)
  with pytest.raises(RuntimeError, match=r'call init\(image, box\) before'):
    tracker.update(formulas.frame(0))
  with pytest.raises(ValueError, match='less than a pixel'):
    tracker.init(formulas.frame(0), (1, 2, 0, 4))
  with pytest.raises(RuntimeError, match='no target'):
    tracker.update(formulas.frame(0))


GREY = formulas.frame(0)[..., 0]


@pytest.mark.parametrize(
  ('image', 'message'),
  [
    (GREY, r'has the shape \[240, 320\]; give RGB values \[h, w, 3\]'),
    (np.dstack([formulas.frame(0), GREY]), r'\[240, 320, 4\]'),
    (formulas.frame(0) / 255.0, 'has the dtype float64; give uint8'),
    (formulas.frame(0)[:0], r'\[0, 320, 3\]'),
  ],
  ids=['grey', 'transparent', 'float', 'empty'],
)
def test_an_image_that_is_not_rgb_of_uint8_is_refused(tracker, image, message):
  with pytest.raises(ValueError, match=message):
    tracker.init(image, BOX)
  tracker.init(formulas.frame(0), BOX)
  with pytest.raises(ValueError, match=message):
    tracker.update(image)


@pytest.mark.parametrize(
  ('box', 'message'),
  [
    ((10, 10, 0, 5), 'box 10,10,0,5 is less than a pixel wide or high'),
    ((10, 10, 5, -5), 'is less than a pixel wide or high'),
    ((np.nan, 10, 5, 5), 'box nan,10,5,5 is not finite'),
    ('1,2,3,4', 'does not consist of numbers'),
    (((1, 2), 3), 'does not consist of numbers'),
    ((320, 10, 5, 5), 'lies outside the frame of 320 x 240'),
    ((-9, 10, 9, 5), 'lies outside'),
    ((1, 2, 3), 'box 1,2,3 is not four numbers'),
  ],
  ids=[
    'flat',
    'negative',
    'nan',
    'text',
    'ragged',
    'right of the frame',
    'left of the frame',
    'three',
  ],
)
def test_a_box_that_cannot_be_tracked_is_refused(tracker, box, message):
  with pytest.raises(ValueError, match=message):
    tracker.init(formulas.frame(0), box)
  with pytest.raises(ValueError, match=message):
    list(tracker.track(frames(2), [box]))


def test_an_invalid_frame_is_refused_and_named(tracker):
  results = tracker.track([*frames(3), GREY], [BOX])
  # The results of the previous frames come first.
  for _ in range(3):
    next(results)
  with pytest.raises(
    ValueError, match=r'frame 3 \(counted from 0\): the image has the shape'
  ):
    next(results)


def test_frames_may_change_their_size(tracker):
  images = frames(6)
  images[2] = images[2][:200]
  # The next frame fits only into a larger bucket.
  images[3] = np.pad(images[3], ((0, 60), (0, 80), (0, 0)))
  by_update = update_all(tracker, images, BOX)
  assert len(by_update) == 5
  for ahead in (0, 3):
    by_track = list(tracker.track(iter(images), [BOX], ahead=ahead))
    for (one,), other in zip(by_track[1:], by_update, strict=True):
      np.testing.assert_array_equal(one.box, other.box)
      assert scalars(one) == scalars(other)


def test_a_target_with_a_small_first_box_is_named_once(tiny_model, caplog):
  tracker = VideoTracker(tiny_model)
  small = (100, 80, 10, 9.5)
  list(tracker.track(frames(3), [BOX, small]))
  (record,) = caplog.records
  assert record.getMessage() == (
    'target 1: the first box is 10 x 9.5 px, but the tracker returns boxes of '
    'at least 10 x 10 px; to follow smaller targets, set a lower limit with '
    '--smallest_side, or with smallest_side in acm_jax.load'
  )
  update_all(tracker, frames(3), small)
  assert len(caplog.records) == 2
  # A box of exactly the limit is not small.
  update_all(tracker, frames(2), (100, 80, 10, 10))
  assert len(caplog.records) == 2


def test_a_video_needs_frames_and_targets(tracker):
  with pytest.raises(ValueError, match='no frames'):
    list(tracker.track([], [BOX]))
  with pytest.raises(
    ValueError, match=r'boxes have the shape \[4\]; give one row'
  ):
    list(tracker.track(frames(2), BOX))


def test_similar_numbers_of_targets_share_programs(tiny_model):
  """Checks that three and four targets use the programs of four lanes."""
  boxes, programs = np.array([BOX, BOX, BOX, BOX]), Programs()
  few, many = (
    list(video_tracker.follow(tiny_model, frames(3), boxes[:n], programs))
    for n in (3, 4)
  )
  assert len(programs) == 6
  assert [len(results) for results in few] == [3] * 3
  for three, four in zip(few, many, strict=True):
    for one, other in zip(three, four, strict=False):
      np.testing.assert_array_equal(one.box_xywh, other.box_xywh)
