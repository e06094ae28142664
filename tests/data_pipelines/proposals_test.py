"""Proposals: boxes where an object may be."""

import numpy as np
import pytest

from acm_jax.geometry import boxes
from data_pipelines import proposals
from tests.data_pipelines import shots


def overlaps(box_xywh, truth):
  return boxes.iou(*map(boxes.xywh_to_xyxy, (box_xywh, truth[None])))


@pytest.mark.parametrize('pan', [0, 3], ids=['static', 'panning'])
def test_a_moving_object_is_proposed_first(pan):
  found = proposals.propose(shots.moving_square(30, pan=pan), 4, seed=0)
  # Each edge moves by 1 or 2 px: gaps are closed, and 1 px is tolerated.
  assert overlaps(found[:1], shots.square_at(0))[0] > 0.8


def test_a_textured_object_is_proposed_without_motion():
  frames = shots.moving_square(1, flat=True)
  found = proposals.propose(frames, 4, seed=0)
  # Windows fit only roughly, as they have few sizes and positions.
  assert overlaps(found, shots.square_at(0)).max() > 0.4


def test_boxes_are_in_pixels_of_the_frames_even_if_searched_at_another_size():
  large = [frame.repeat(4, 0).repeat(4, 1) for frame in shots.moving_square(20)]
  found = proposals.propose(large, 1, seed=0)
  assert overlaps(found, 4 * shots.square_at(0))[0] > 0.8


def test_a_moving_object_is_proposed_if_some_frames_have_another_size():
  frames = shots.moving_square(30)
  frames[5:20] = [frame[:200] for frame in frames[5:20]]
  found = proposals.propose(frames, 4, seed=0)
  assert overlaps(found[:1], shots.square_at(0))[0] > 0.8


def test_nothing_is_proposed_in_flat_frames():
  frames = [np.full((240, 320, 3), 90, np.uint8)] * 10
  assert proposals.propose(frames, 4, seed=0).shape == (0, 4)


def test_a_small_moving_object_is_proposed_with_a_margin_around_it():
  frames = [np.full((240, 320, 3), 90, np.uint8) for _ in range(20)]
  for t, frame in enumerate(frames):
    frame[100:104, 50 + 8 * t : 54 + 8 * t] = 250
  found = proposals.propose(frames, 4, seed=0)
  assert len(found) == 1
  np.testing.assert_allclose(found[0], [46, 96, 12, 12], atol=1)


def test_proposals_lie_apart_and_inside_the_frame():
  frames = shots.moving_square(30, seed=4)
  found = proposals.propose(frames, 16, seed=0)
  assert 4 < len(found) <= 16
  corners = boxes.xywh_to_xyxy(found)
  overlap = boxes.iou(corners[:, None], corners[None])
  assert (overlap - np.eye(len(found)) <= 0.3).all()
  assert (corners > 0).all()
  assert (corners < [320, 240, 320, 240]).all()


def test_proposals_depend_on_the_seed():
  frames = shots.moving_square(30, seed=4)
  one, again, other = (proposals.propose(frames, 4, seed) for seed in (0, 0, 1))
  np.testing.assert_array_equal(one, again)
  assert not np.array_equal(one, other)
  # Moving boxes come first, whatever the seed.
  np.testing.assert_array_equal(one[0], other[0])
