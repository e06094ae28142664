"""Lanes: the boxes of each video alone, few programs, no lane left waiting."""

import jax
import numpy as np
import pytest

from acm_jax.tracking import lane_step, lanes, loop, stream, wide
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.lanes import Video
from tests import formulas

HPARAMS = Hparams(0.1, 0.4, 0.4, 0.5)
BOX = np.array([100, 80, 60, 40], np.float32)
# More than there are lanes, of two buckets, and one of a single frame.
LENGTHS = (5, 9, 1, 3, 7)


def video(number, length, size=None):
  size = size or ((240, 320) if number % 2 else (300, 400))
  images = [
    np.resize(formulas.frame(number + i), (*size, 3)) for i in range(length)
  ]
  box = BOX + np.array([number, 2 * number, 3, 0], np.float32)
  return Video(f'video{number}', length, images.__getitem__, box)


VIDEOS = [video(number, length) for number, length in enumerate(LENGTHS)]


@pytest.fixture
def follow(tiny_tracker):
  tracker, variables, _ = tiny_tracker

  def follow(videos, count, tracker=tracker, hparams=HPARAMS, **kwargs):
    found = lanes.follow(
      tracker, variables, hparams, videos, lanes=count, **kwargs
    )
    return {followed.index: followed for followed in found}

  return follow


@pytest.fixture(params=['one_by_one', 'together'])
def form(request, monkeypatch):
  """Both forms of the step, whatever this machine is."""
  step = getattr(lane_step, request.param)
  monkeypatch.setattr(lane_step, 'step_of', lambda platform: step)


@pytest.mark.usefixtures('form')
@pytest.mark.parametrize('count', [1, 2, 8])
def test_a_lane_finds_what_a_video_alone_has(follow, tiny_tracker, count):
  tracker, variables, _ = tiny_tracker
  found = follow(VIDEOS, count)
  assert sorted(found) == list(range(len(VIDEOS)))
  for index, one in enumerate(VIDEOS):
    frames = map(one.read, range(one.length))
    alone = list(
      stream.follow(tracker, variables, HPARAMS, frames, one.box_xywh[None])
    )
    tracked = found[index].tracked
    expected = np.concatenate([frame.box_xywh for frame in alone])
    # The bound that is promised; float32 sums differ in their order alone.
    np.testing.assert_allclose(tracked.box_xywh, expected, atol=1e-3)
    scores = np.concatenate([frame.score for frame in alone])
    np.testing.assert_allclose(tracked.score, scores, atol=1e-4)


def test_programs_are_few_and_counted(follow):
  programs = lanes.Programs()
  follow(VIDEOS, 2, programs=programs)
  # For each of two buckets a start and a step; and one to change a lane.
  assert len(programs) == 5
  assert programs.seconds > 0
  before = len(programs)
  follow(VIDEOS, 2, programs=programs)
  assert len(programs) == before


def test_a_lane_takes_the_next_video_at_once(follow):
  steps = []
  videos = [video(1, length) for length in (9, 3, 3, 3)]
  follow(videos, 2, on_frames=steps.append)
  assert sum(steps) == 9 + 3 + 3 + 3
  # Four starts. The first lane has eight steps to do; the other is given three
  # videos.
  assert sorted(count for count in steps if count) == [1] * (4 + 2) + [2] * 6


@pytest.mark.usefixtures('form')
def test_lanes_that_search_wide_equal_videos_alone(follow, tiny_tracker):
  tracker, variables, _ = tiny_tracker
  # Unsure every now and then, so that some lanes are wide and others not.
  mode = wide.LongTerm(search_size=319)
  wider = type(tracker)(**{**vars(tracker), 'wide_search': mode})
  videos = [video(number, 6, (240, 320)) for number in range(3)]
  scores = [f.tracked.score[1:] for f in follow(videos, 3).values()]
  # In the widest gap, so that no rounding decides who is lost.
  ordered = np.sort(np.ravel(scores))
  gap = np.argmax(np.diff(ordered))
  middle = float(ordered[gap : gap + 2].mean())
  hparams = HPARAMS.replace(lost_score=middle, found_score=middle)
  found = follow(videos, 3, wider, hparams)
  lost = np.stack([followed.tracked.lost for followed in found.values()])
  assert (lost.any(axis=0) & ~lost.all(axis=0)).any()
  for index, one in enumerate(videos):
    frames = map(one.read, range(one.length))
    alone = stream.follow(wider, variables, hparams, frames, one.box_xywh[None])
    expected = np.concatenate([frame.box_xywh for frame in alone])
    np.testing.assert_allclose(
      found[index].tracked.box_xywh, expected, atol=1e-3
    )


@pytest.mark.parametrize('count', [1, 2])
def test_a_video_may_stop_and_its_lane_goes_on(follow, count):
  told = []

  def until(frame, box):
    told.append((frame, box.tolist()))
    return frame == 2

  whole = follow(VIDEOS, count)[1].tracked
  videos = [VIDEOS[0], VIDEOS[1]._replace(until=until), *VIDEOS[2:]]
  found = follow(videos, count)
  assert sorted(found) == list(range(len(VIDEOS)))
  np.testing.assert_array_equal(found[1].tracked.box_xywh, whole.box_xywh[:3])
  assert told == [(i, whole.box_xywh[i].tolist()) for i in (1, 2)]
  assert len(found[1].seconds) == 3
  assert len(found[4].tracked.score) == LENGTHS[4]


def test_every_frame_has_a_time_with_and_without_the_wait(follow):
  for followed in follow(VIDEOS, 2).values():
    length = LENGTHS[followed.index]
    assert len(followed.seconds) == len(followed.tracked.score) == length
    assert (followed.seconds > 0).all()
    assert (followed.seconds_with_decode >= followed.seconds).all()


@pytest.mark.parametrize(
  ('bad', 'message'),
  [
    (video(1, 0), 'video1: the video has no frames'),
    (
      video(1, 3)._replace(box_xywh=np.array([10, 10, 0, 5], np.float32)),
      'video1: box 10,10,0,5 has no area',
    ),
    (
      video(1, 3)._replace(
        read=lambda i: np.zeros((240 + 10 * (i == 2), 320, 3), np.uint8)
      ),
      r'video1: frame 2, .* is 320 x 250 .* 320 x 240',
    ),
  ],
)
def test_a_bad_video_is_named(follow, bad, message):
  with pytest.raises(ValueError, match=message):
    follow([VIDEOS[0], bad], 2)


def test_an_image_that_cannot_be_read_is_told(follow):
  def read(i):
    if i == 2:
      raise ValueError('b/0003.jpg: cannot be decoded')
    return formulas.frame(i)

  with pytest.raises(ValueError, match=r'b/0003.jpg: cannot be decoded'):
    follow([VIDEOS[0], VIDEOS[1]._replace(read=read)], 2)


def test_no_lane_is_refused(follow):
  with pytest.raises(ValueError, match='--lanes=0: at least 1'):
    follow(VIDEOS, 0)


@pytest.mark.parametrize(
  ('size', 'bucket'),
  [
    ((240, 320), (256, 384)),
    ((720, 1280), (768, 1536)),
    ((256, 257), (256, 384)),
    ((20000, 8), (20000, 256)),
  ],
)
def test_buckets_are_coarse(size, bucket):
  assert stream.bucket_of(size) == bucket


def test_both_forms_find_the_same_and_leave_other_lanes_alone(tiny_tracker):
  tracker, variables, _ = tiny_tracker
  frame = stream.padded([formulas.frame(0)], (256, 384))
  boxes = np.stack([BOX, BOX + 20])
  frames = jax.tree.map(lambda x: np.repeat(np.asarray(x), 2, axis=0), frame)
  active = np.array([False, True])
  outcomes = []
  for step in (lane_step.one_by_one, lane_step.together):
    one = jax.tree.map(lambda x: x[0], frame)
    states = loop.start(tracker, variables, one, boxes)
    center = np.asarray(states.center)
    states, found = step(tracker, variables, HPARAMS, states, frames, active)
    np.testing.assert_array_equal(states.center[0], center[0])
    outcomes.append((states.center[1], found.box_xywh[1]))
  for one, other in zip(*outcomes, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-3)
