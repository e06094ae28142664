"""Streams of frames: chunks, buckets and what is refused."""

import numpy as np
import pytest

from acm_jax.tracking import loop, stream
from acm_jax.tracking.contract import Hparams
from tests import formulas

BOX = np.array([[100, 80, 60, 40]], np.float32)
HPARAMS = Hparams(0.1, 0.4, 0.4, 0.5)


@pytest.fixture
def follow(tiny_tracker):
  tracker, variables, _ = tiny_tracker

  def follow(images, boxes=BOX, hparams=HPARAMS, **kwargs):
    # An iterator, of which nobody but `follow` can look at the elements.
    frames = iter(images)
    found = stream.follow(tracker, variables, hparams, frames, boxes, **kwargs)
    return list(found)

  return follow


def frames(count):
  return [formulas.frame(i) for i in range(count)]


def test_a_chunk_that_is_not_full_gives_its_frames_alone(follow):
  by_four = follow(frames(7), chunk=4)
  by_one = follow(frames(7), chunk=1)
  assert len(by_four) == len(by_one) == 7
  for one, other in zip(by_four, by_one, strict=True):
    # Another program: sums in another order.
    np.testing.assert_allclose(one.box_xywh, other.box_xywh, atol=1e-3)
  np.testing.assert_array_equal(by_four[0].box_xywh, BOX)


def test_sizes_of_one_bucket_share_a_program(follow):
  loop.track.clear_cache()
  for h, w in ((240, 320), (230, 300), (193, 257)):
    follow([image[:h, :w] for image in frames(3)], chunk=2)
  assert loop.track._cache_size() == 1


def test_each_target_may_have_its_own_hyperparameters(follow):
  columns = np.array([[0.001, 0.4], [0.1, 0.8], [0.4, 0.9], [0.5, 0.0], [0, 0]])
  together = follow(frames(5), BOX.repeat(2, 0), Hparams(*columns))
  for n, own in enumerate(columns.T):
    alone = follow(frames(5), BOX, Hparams(*own))
    for one, other in zip(together, alone, strict=True):
      # The bound that is promised; float32 sums differ in their order alone.
      np.testing.assert_allclose(one.box_xywh[n], other.box_xywh[0], atol=1e-3)
  # So that the above can fail.
  apart = [np.ptp(one.box_xywh, axis=0).max() for one in together]
  assert max(apart) > 1


def test_a_frame_of_another_size_is_named(follow):
  images = [*frames(3), formulas.frame(3)[:200]]
  with pytest.raises(
    ValueError, match=r'frame 3, .* is 320 x 200 .* 320 x 240'
  ):
    follow(images)


@pytest.mark.parametrize(
  ('box', 'message'),
  [
    ([10, 10, 0, 5], 'box 10,10,0,5 has no area'),
    ([10, 10, 5, -5], 'has no area'),
    ([np.nan, 10, 5, 5], 'has no area'),
    ([320, 10, 5, 5], 'lies outside the frame of 320 x 240'),
    ([-9, 10, 9, 5], 'lies outside'),
  ],
  ids=['flat', 'negative', 'nan', 'right of it', 'left of it'],
)
def test_a_box_that_cannot_be_tracked_is_refused(follow, box, message):
  with pytest.raises(ValueError, match=message):
    follow(frames(2), np.array([box], np.float32))


def test_a_video_without_frames_is_refused(follow):
  with pytest.raises(ValueError, match='no frames'):
    follow([])
