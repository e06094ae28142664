"""Stretches: where a video is split."""

import numpy as np
import pytest

from acm_jax.datasets.video_files import Frame
from data_pipelines.stretches import is_cut, stretches
from tests.data_pipelines import shots


def video(images):
  return [Frame(image, number, 0.0) for number, image in enumerate(images)]


def numbers(images, *args, **kwargs):
  return [part.numbers for part in stretches(video(images), *args, **kwargs)]


def test_stretches_have_a_length_and_the_last_one_the_remaining_frames():
  found = list(stretches(video(shots.moving_square(10)), 4))
  assert [part.numbers for part in found] == [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9],
  ]
  frames = shots.moving_square(10)
  np.testing.assert_array_equal(found[1].frames[2], frames[6])


def test_a_stretch_ends_at_a_cut():
  two_shots = shots.moving_square(5, seed=1) + shots.moving_square(6, seed=2)
  assert numbers(two_shots, 20) == [[*range(5)], [*range(5, 11)]]


def test_a_stretch_contains_frames_that_change_their_size():
  frames = shots.moving_square(6)
  smaller = [frame[:200] for frame in frames[3:]]
  assert numbers(frames[:3] + smaller, 20) == [[*range(6)]]


def test_a_cut_between_skipped_frames_still_ends_a_stretch():
  two_shots = shots.moving_square(5, seed=1) + shots.moving_square(6, seed=2)
  assert numbers(two_shots, 20, every=2) == [[0, 2, 4], [5, 7, 9]]


def test_stretches_begin_only_at_the_requested_starts():
  frames = shots.moving_square(12)
  assert numbers(frames, 4, starts={1, 3, 9}) == [
    [1, 2],
    [3, 4, 5, 6],
    [9, 10, 11],
  ]


def test_frames_that_are_missing_in_the_video_keep_their_numbers():
  frames = [frame for frame in video(shots.moving_square(9)) if frame[1] != 4]
  (part,) = stretches(frames, 20, every=2)
  assert part.numbers == [0, 2, 6, 8]


def test_a_video_without_frames_has_no_stretches():
  assert numbers([], 4) == []


@pytest.mark.parametrize(
  'change',
  [
    lambda image: np.roll(image, 40, axis=1),
    lambda image: np.clip(image.astype(int) + 15, 0, 255).astype(np.uint8),
  ],
  ids=['a fast pan', 'a change of light'],
)
def test_a_fast_pan_or_a_change_of_light_is_no_cut(change):
  frame = shots.moving_square(1)[0]
  assert not is_cut(frame, change(frame))
