"""Tracks are cut into clips, and frames that are left out are counted."""

import cv2
import numpy as np
import pytest

from acm_jax.datasets.track import Track
from data_pipelines import clips
from data_pipelines.clips import Cut, Report

BOX = [5.0, 5, 20, 10]
IMAGE = np.full((60, 80, 3), 90, np.uint8)


def track(boxes, **changes):
  boxes = np.array(boxes, np.float32)
  count = len(boxes)
  plain = Track(
    'a', boxes, np.ones(count, bool), np.arange(count), lambda i: IMAGE
  )
  return plain._replace(**changes)


def cut(whole, settings=None):
  report = Report()
  settings = settings or Cut(crop_size=63)
  return list(clips.cut(whole, settings, report)), report


@pytest.mark.parametrize('gap', [1, 3, 31, 32, 100, 500])
def test_a_clip_spans_twice_the_gap(gap):
  stride = clips.stride_for(gap)
  frames = 2 * clips.FRAMES_PER_CLIP * stride
  (first, second), _ = cut(track([BOX] * frames), Cut(stride, crop_size=7))
  assert first.numbers == list(range(0, frames // 2, stride))
  assert second.numbers[0] == first.numbers[-1] + stride
  span = clips.FRAMES_PER_CLIP - 1
  assert first.numbers[-1] - first.numbers[0] == span * stride >= 2 * gap
  assert stride == 1 or span * (stride - 1) < 2 * gap


def test_unusable_frames_are_counted_by_reason():
  off, thin = [80, 5, 20, 10], [5, 5, 0.5, 10]
  boxes = [BOX, BOX, thin, [np.nan] * 4, off, [-20, 5, 20, 10]]
  visible = np.array([True, False, True, True, True, True])
  found, report = cut(track(boxes, visible=visible))
  assert [clip.numbers for clip in found] == [[0]]
  assert report.dropped == {'absent': 1, 'degenerate': 2, 'outside': 2}


def test_hidden_frames_are_counted_under_the_reason_of_their_track():
  hidden = track([BOX], visible=np.array([False]), reason='crowd')
  found, report = cut(hidden)
  assert not found
  assert report.dropped == {'crowd': 1}


def test_an_unreadable_image_is_counted_and_named():
  def image(i):
    if i == 1:
      raise ValueError('b.jpg: cannot be decoded')
    return IMAGE

  (clip,), report = cut(track([BOX] * 3, image=image))
  assert clip.numbers == [0, 2]
  assert report.dropped == {'unreadable': 1}
  assert report.problems == ['b.jpg: cannot be decoded']


def test_crops_of_the_source_are_kept_byte_for_byte():
  data = cv2.imencode('.jpg', np.zeros((511, 511, 3), np.uint8))[1].tobytes()
  crop = track([[200, 220, 110, 70]], image=lambda i: data, cropped=True)
  (clip,), _ = cut(crop, Cut())
  assert clip.jpegs == [data]
  np.testing.assert_array_equal(clip.boxes[0], [255, 255, 110, 70])


@pytest.mark.parametrize(
  ('wrong', 'message'),
  [
    ({'stride': 0}, '`stride`=0: must be at least 1'),
    ({'crop_size': 0}, '`crop_size`=0: must be at least 1'),
    ({'quality': 101}, '`quality`=101: must be between 0 and 100'),
  ],
  ids=['stride', 'crop_size', 'quality'],
)
def test_numbers_out_of_range_are_refused(wrong, message):
  with pytest.raises(ValueError, match=message):
    Cut(**wrong)
