"""Tracks are cut into clips; what is left out is counted."""

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
  made = Track(
    'a', boxes, np.ones(count, bool), np.arange(count), lambda i: IMAGE
  )
  return made._replace(**changes)


def cut(made, how=None):
  report = Report()
  how = how or Cut(crop_size=63)
  return list(clips.cut(made, how, report)), report


@pytest.mark.parametrize('gap', [1, 3, 31, 32, 100, 500])
def test_a_clip_spans_twice_the_gap(gap):
  stride = clips.stride_for(gap)
  made = track([BOX] * (2 * clips.FRAMES_PER_CLIP * stride))
  (first, second), _ = cut(made, Cut(stride, crop_size=7))
  assert first.numbers == list(range(0, len(made.box_xywh) // 2, stride))
  assert second.numbers[0] == first.numbers[-1] + stride
  span = clips.FRAMES_PER_CLIP - 1
  assert first.numbers[-1] - first.numbers[0] == span * stride >= 2 * gap
  assert stride == 1 or span * (stride - 1) < 2 * gap


def test_what_cannot_be_used_is_counted_by_its_reason():
  off, thin = [80, 5, 20, 10], [5, 5, 0.5, 10]
  boxes = [BOX, BOX, thin, [np.nan] * 4, off, [-20, 5, 20, 10]]
  visible = np.array([True, False, True, True, True, True])
  made, report = cut(track(boxes, visible=visible))
  assert [clip.numbers for clip in made] == [[0]]
  assert report.dropped == {'absent': 1, 'degenerate': 2, 'outside': 2}


def test_a_tracks_own_reason_is_counted():
  hidden = track([BOX], visible=np.array([False]), reason='crowd')
  made, report = cut(hidden)
  assert not made
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


def test_a_crop_of_the_source_is_kept_byte_for_byte():
  data = cv2.imencode('.jpg', np.zeros((511, 511, 3), np.uint8))[1].tobytes()
  made = track([[200, 220, 110, 70]], image=lambda i: data, cropped=True)
  (clip,), _ = cut(made, Cut())
  assert clip.jpegs == [data]
  np.testing.assert_array_equal(clip.boxes[0], [255, 255, 110, 70])


@pytest.mark.parametrize(
  'wrong', [{'stride': 0}, {'crop_size': 0}, {'quality': 101}], ids=str
)
def test_numbers_out_of_their_range_are_refused(wrong):
  with pytest.raises(ValueError, match='stride and crop_size 1 or more'):
    Cut(**wrong)
