"""Tests of the scheduler: independence and use of lanes, recorded times."""

import collections

import cv2
import numpy as np
import pytest

from acm_jax.datasets import sequences
from acm_jax.evaluation.experiments import EXPERIMENTS
from acm_jax.evaluation.truth import Truth
from acm_jax.running import scheduler
from acm_jax.running.scheduler import Job
from acm_jax.tracking import video_tracker
from acm_jax.tracking.engine import Engine, initial_result
from acm_jax.tracking.programs import Programs
from tests import formulas

BOX = np.array([100, 80, 60, 40], np.float32)
# Lengths of videos: more videos than lanes, one of them with a single frame.
LENGTHS = (5, 9, 1, 3, 7)


def write(folder, number, length, size=None):
  """Writes a video; `number` determines the frames, box and bucket."""
  size = size or ((240, 320) if number % 2 else (300, 400))
  paths = []
  for i in range(length):
    paths.append(folder / f'{number}-{i:02d}.png')
    image = np.resize(formulas.frame(number + i), (*size, 3))
    cv2.imwrite(str(paths[-1]), image)
  box = BOX + np.array([number, 2 * number, 3, 0], np.float32)
  boxes = np.tile(box, (length, 1))
  return sequences.make(f'video{number}', paths, boxes, source=folder)


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
  folder = tmp_path_factory.mktemp('videos')
  return [write(folder, number, n) for number, n in enumerate(LENGTHS)]


def one_pass(sequence):
  truth = Truth(sequence.box_xywh)
  return Job(sequence, EXPERIMENTS['one_pass'].protocol(sequence, truth))


def drive(follower, videos, on_frames=lambda count: None):
  jobs = list(map(one_pass, videos))
  return {
    done.index: done for done in scheduler.drive(follower, jobs, on_frames)
  }


@pytest.mark.parametrize('count', [1, 2, 8])
def test_a_lane_tracks_as_if_its_video_were_the_only_one(
  videos, tiny_model, count
):
  done = drive(Engine(tiny_model, count), videos)
  assert sorted(done) == list(range(len(videos)))
  for index, video in enumerate(videos):
    frames = sequences.read_ahead(video)
    alone = video_tracker.follow(tiny_model, frames, video.box_xywh[:1])
    expected = [tracked.box_xywh for (tracked,) in alone]
    # Only the order of float32 sums differs, so boxes agree to 1e-3 px.
    np.testing.assert_allclose(done[index].runs[0].region, expected, atol=1e-3)


def test_programs_are_few_and_reused(videos, tiny_model):
  programs = Programs()
  engine = Engine(tiny_model, 2, programs=programs)
  drive(engine, videos)
  # Each of two buckets has a program that samples templates and two that sample
  # search crops; three more encode, assign a lane and find the target.
  assert len(programs) == 2 * 3 + 3
  drive(engine, videos)
  assert len(programs) == 2 * 3 + 3


def test_frames_that_change_size_are_tracked_and_few_programs_compile(
  tiny_model, tmp_path
):
  # The frames of two videos are in one bucket at first.
  changing, plain = write(tmp_path, 21, 8), write(tmp_path, 23, 5)
  for number, size in ((2, (250, 300)), (4, (300, 400)), (5, (200, 500))):
    image = np.resize(formulas.frame(number), (*size, 3))
    cv2.imwrite(str(changing.frame_paths[number]), image)
  programs = Programs()
  done = drive(Engine(tiny_model, 2, programs=programs), [changing, plain])
  # Both videos start in one bucket; search crops are sampled in two.
  assert len(programs) == 6 + 2
  for index, video in enumerate((changing, plain)):
    frames = sequences.read_ahead(video)
    alone = video_tracker.follow(tiny_model, frames, video.box_xywh[:1])
    expected = [tracked.box_xywh for (tracked,) in alone]
    # Only the order of float32 sums differs, so boxes agree to 1e-3 px.
    np.testing.assert_allclose(done[index].runs[0].region, expected, atol=1e-3)


class Counting:
  """Follower that repeats the first boxes, and counts lanes in each step."""

  def __init__(self, lanes):
    self.lanes, self.programs, self.about = lanes, Programs(), {}
    self.steps = []
    self._boxes = {}

  def take_failures(self):
    return []

  def start(self, image, boxes_xywh):
    self._boxes.update(boxes_xywh)

  def advance(self, images):
    self.steps.append(len(images))
    results = {lane: initial_result(self._boxes[lane]) for lane in images}
    return lambda: results


def test_a_free_lane_takes_the_next_video(tmp_path):
  follower, counts = Counting(2), []
  videos = [
    write(tmp_path, n, length)
    for n, length in zip((1, 3, 5, 7), (9, 3, 3, 3), strict=True)
  ]
  drive(follower, videos, counts.append)
  assert sum(counts) == 9 + 3 + 3 + 3
  # The first lane takes eight steps. The other lane tracks three videos of two
  # steps each, and is free for one step between them.
  assert collections.Counter(follower.steps) == {2: 6, 1: 2}


def test_every_frame_has_a_time_with_and_without_decoding(videos, tiny_model):
  for done in drive(Engine(tiny_model, 2), videos).values():
    seconds, seconds_with_decode = done.times
    assert len(seconds) == LENGTHS[done.index] == done.answers
    assert (seconds > 0).all()
    assert (seconds_with_decode >= seconds).all()


def test_an_invalid_video_is_named(videos, tiny_model, tmp_path):
  engine = Engine(tiny_model, 2)
  empty = sequences.make('none', [], np.zeros((0, 4)), source=tmp_path)
  flat = write(tmp_path, 11, 3)
  flat.box_xywh[:, 2] = 0
  for invalid, message in (
    (empty, 'none: no frames; remove the sequence'),
    (flat, 'video11: box 111,102,0,40 is less than a pixel wide'),
  ):
    with pytest.raises(ValueError, match=message):
      drive(engine, [videos[1], invalid])


def test_an_image_that_cannot_be_decoded_is_named(tiny_model, tmp_path):
  damaged = write(tmp_path, 15, 4)
  damaged.frame_paths[2].write_bytes(b'no image')
  with pytest.raises(ValueError, match=r'15-02\.png: cannot be decoded'):
    drive(Engine(tiny_model), [damaged])
