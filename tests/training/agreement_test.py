"""Agreement of the forward and the backward pass, which labels must have."""

import numpy as np
import pytest

from acm_jax.training import agreement
from acm_jax.training.agreement import (
  KEPT,
  NOT_RETURNED,
  STILL,
  TOO_FEW,
  Passes,
)

FRAMES = 30


def passes(**changes):
  """Makes two equal, confident passes; the target moves 5 px per frame."""
  box = np.tile(np.float32([10, 20, 40, 30]), (2, FRAMES, 1, 1))
  box[..., 0] += 5 * np.arange(FRAMES, dtype=np.float32)[:, None]
  return Passes(box, np.ones((2, FRAMES, 1), np.float32))._replace(**changes)


def outcome(agrees):
  return agreement.outcome(agreement.labels(passes())[:, 0], np.array(agrees))


def test_frames_agree_where_both_boxes_overlap():
  both = passes()
  # The box is 40 px wide. Moved by 4 px, its IoU is 36 / 44 = 0.82; moved by
  # 12 px, it is 28 / 52 = 0.54.
  both.box_xywh[1, 3, 0, 0] += 4
  both.box_xywh[1, 7, 0, 0] += 12
  agrees = agreement.agreed(both, 0.7, 0.5)
  assert agrees.shape == (FRAMES, 1)
  assert list(np.flatnonzero(~agrees[:-1, 0])) == [7]


@pytest.mark.parametrize('index', [0, 1], ids=['forward', 'backward'])
@pytest.mark.parametrize('bad', [0.5, np.nan])
def test_frames_do_not_agree_where_either_pass_is_unsure(index, bad):
  both = passes()
  both.score[index, 4] = bad
  agrees = agreement.agreed(both, 0.7, 0.5)
  assert list(np.flatnonzero(~agrees[:-1, 0])) == [4]


def test_the_last_frame_does_not_count_as_agreement():
  agrees = agreement.agreed(passes(), 0.7, 0.5)
  assert list(np.flatnonzero(~agrees[:, 0])) == [FRAMES - 1]


def test_labels_lie_midway_between_both_passes():
  both = passes()
  both.box_xywh[1] += np.float32([4, -2, 2, 0])
  expected = both.box_xywh[0] + np.float32([2, -1, 1, 0])
  np.testing.assert_array_equal(agreement.labels(both), expected)


def test_a_track_that_agrees_everywhere_is_kept():
  assert outcome([True] * FRAMES) == KEPT


def test_a_track_that_does_not_return_to_its_start_is_dropped():
  assert outcome([False] + [True] * (FRAMES - 1)) == NOT_RETURNED


@pytest.mark.parametrize('count', [9, 10], ids=['fewer', 'just enough'])
def test_at_least_a_third_of_the_frames_must_agree(count):
  kept = outcome([i < count for i in range(FRAMES)])
  assert kept == (KEPT if count == 10 else TOO_FEW)


def test_at_least_eight_frames_must_agree_even_in_a_short_stretch():
  both = passes()
  labels = agreement.labels(both)[:12, 0]
  for count, expected in ((7, TOO_FEW), (8, KEPT)):
    agrees = np.arange(12) < count
    assert agreement.outcome(labels, agrees) == expected


@pytest.mark.parametrize(
  ('change', 'still'),
  [
    (np.float32([2, -1, 0, 0]), True),
    (np.float32([20, 0, 0, 0]), False),
    (np.float32([-10, -10, 20, 20]), False),
  ],
  ids=['jitters', 'moves', 'grows'],
)
def test_a_target_that_neither_moves_nor_grows_stands_still(change, still):
  box = np.tile(np.float32([50, 60, 40, 30]), (FRAMES, 1))
  box[FRAMES // 2 :] += change
  agrees = np.ones(FRAMES, bool)
  assert agreement.stands_still(box) == still
  assert agreement.outcome(box, agrees) == (STILL if still else KEPT)


def test_motion_in_frames_that_disagree_does_not_count():
  box = np.tile(np.float32([50, 60, 40, 30]), (FRAMES, 1))
  box[20:] += 100
  assert agreement.outcome(box, np.arange(FRAMES) < 20) == STILL
