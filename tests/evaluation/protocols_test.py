"""The pysot protocol, rule by rule."""

import numpy as np
import pytest

from acm_jax.evaluation import protocols

NAN_ROW = [np.nan] * 4


def score(predicted, true, absent=None):
  true = np.array(true, dtype=float)
  absent = np.zeros(len(true), bool) if absent is None else np.array(absent)
  return protocols.pysot(np.array(predicted, dtype=float), true, absent)


def test_a_perfect_result_scores_all_that_can_be_scored():
  true = [[10, 10, 20, 20], [12, 11, 20, 22], [14, 12, 19.5, 21]]
  figures = score(true, true).figures()
  assert figures.pop('success_auc') == pytest.approx(20 / 21)
  assert set(figures.values()) == {1.0}


@pytest.mark.parametrize(
  ('true', 'success', 'precision', 'normalized'),
  [
    (NAN_ROW, 0.5, 1.0, 1.0),
    ([50, 50, 0, 10], 0.5, 1.0, 0.5),
    ([50, 50, -4, 10], 0.5, 1.0, 1.0),
    ([-9, 50, 10, 10], 0.5, 1.0, 1.0),
    ([200, 200, 10, 10], 0.5, 0.5, 0.5),
  ],
  ids=['nan', 'no_width', 'negative_width', 'centre_outside', 'valid'],
)
def test_an_invalid_true_box_is_a_miss_in_success_and_a_hit_in_precision(
  true, success, precision, normalized
):
  first = [50, 50, 10, 10]
  scores = score([first, [52, 52, 10, 10]], [first, true])
  assert scores.success[0] == success
  assert scores.precision[20] == precision
  assert scores.normalized_precision[20] == normalized


def test_an_absent_frame_is_a_miss_everywhere():
  row = [50, 50, 10, 10]
  scores = score([row] * 4, [row] * 3 + [NAN_ROW], [False, False, True, True])
  assert scores.success[0] == 0.5
  assert scores.precision[50] == 0.5
  assert scores.normalized_precision[50] == 0.5


def test_a_missing_row_is_a_miss_even_where_the_true_box_is_invalid():
  row = [50, 50, 10, 10]
  scores = score([row, NAN_ROW, NAN_ROW], [row, row, NAN_ROW])
  assert scores.success[0] == pytest.approx(1 / 3)
  assert scores.precision[50] == pytest.approx(1 / 3)
  assert scores.normalized_precision[50] == pytest.approx(1 / 3)


def test_average_overlap_leaves_out_the_first_absent_and_invalid_frames():
  row, half = [50, 50, 10, 10], [50, 50, 5, 10]
  true = [row, row, row, NAN_ROW, [50, 50, 0, 10]]
  scores = score(
    [row, half, *[row] * 3], true, [False, False, True, False, False]
  )
  assert scores.average_overlap == 0.5
  assert scores.success_rate_50 == 0.0


def test_a_sequence_of_one_frame_has_no_average_overlap():
  row = [[50, 50, 10, 10]]
  scores = score(row, row)
  assert np.isnan(scores.average_overlap)
  assert scores.precision[0] == 1.0


def test_each_sequence_weighs_the_same_in_the_mean():
  row, far = [50, 50, 10, 10], [90, 90, 10, 10]
  short, long = score([row] * 2, [row] * 2), score([far] * 9, [row] * 9)
  mean = protocols.mean([short, long]).figures()
  assert mean['precision_20'] == 0.5
  assert mean['average_overlap'] == 0.5


def test_a_figure_without_frames_does_not_enter_the_mean():
  row = [50, 50, 10, 10]
  mean = protocols.mean([score([row], [row]), score([row] * 2, [row] * 2)])
  assert mean.average_overlap == 1.0
  assert np.isnan(protocols.mean([score([row], [row])]).average_overlap)


def test_an_unknown_protocol_lists_the_known():
  with pytest.raises(ValueError, match=r"unknown protocol 'ours'.*pysot"):
    protocols.get('ours')
