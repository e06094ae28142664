"""How toolkits score one pass, rule by rule."""

import numpy as np
import pytest

from acm_jax.evaluation import toolkits
from acm_jax.evaluation.truth import Truth

NAN_ROW = [np.nan] * 4


def score(predicted, true, absent=None, protocol='pysot', benchmark='folder'):
  true = np.array(true, dtype=float)
  absent = np.zeros(len(true), bool) if absent is None else np.array(absent)
  rate = toolkits.get(protocol, benchmark).score
  return rate(np.array(predicted, dtype=float), Truth(true, absent))


def test_a_perfect_result_scores_all_that_can_be_scored():
  true = [[10, 10, 20, 20], [12, 11, 20, 22], [14, 12, 19.5, 21]]
  figures = score(true, true).figures
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
  assert scores.curves['success'][0] == success
  assert scores.curves['precision'][20] == precision
  assert scores.curves['normalized_precision'][20] == normalized


def test_an_absent_frame_is_a_miss_everywhere():
  row = [50, 50, 10, 10]
  scores = score([row] * 4, [row] * 3 + [NAN_ROW], [False, False, True, True])
  assert scores.curves['success'][0] == 0.5
  assert scores.curves['precision'][50] == 0.5
  assert scores.curves['normalized_precision'][50] == 0.5


def test_a_missing_row_is_a_miss_even_where_the_true_box_is_invalid():
  row = [50, 50, 10, 10]
  scores = score([row, NAN_ROW, NAN_ROW], [row, row, NAN_ROW])
  assert scores.curves['success'][0] == pytest.approx(1 / 3)
  assert scores.curves['precision'][50] == pytest.approx(1 / 3)
  assert scores.curves['normalized_precision'][50] == pytest.approx(1 / 3)


def test_average_overlap_leaves_out_the_first_absent_and_invalid_frames():
  row, half = [50, 50, 10, 10], [50, 50, 5, 10]
  true = [row, row, row, NAN_ROW, [50, 50, 0, 10]]
  scores = score(
    [row, half, *[row] * 3], true, [False, False, True, False, False]
  )
  assert scores['average_overlap'] == 0.5
  assert scores['success_rate_50'] == 0.0


def test_a_sequence_of_one_frame_has_no_average_overlap():
  row = [[50, 50, 10, 10]]
  scores = score(row, row)
  assert np.isnan(scores['average_overlap'])
  assert scores.curves['precision'][0] == 1.0


def test_each_sequence_weighs_the_same_in_the_mean():
  row, far = [50, 50, 10, 10], [90, 90, 10, 10]
  short, long = score([row] * 2, [row] * 2), score([far] * 9, [row] * 9)
  mean = toolkits.mean([short, long]).figures
  assert mean['precision_20'] == 0.5
  assert mean['average_overlap'] == 0.5


def test_a_figure_without_frames_does_not_enter_the_mean():
  row = [50, 50, 10, 10]
  mean = toolkits.mean([score([row], [row]), score([row] * 2, [row] * 2)])
  assert mean['average_overlap'] == 1.0
  assert np.isnan(toolkits.mean([score([row], [row])])['average_overlap'])


ROW, NEXT, FAR = [50, 50, 10, 10], [52, 50, 10, 10], [200, 200, 10, 10]


@pytest.mark.parametrize(
  ('protocol', 'expected'),
  [
    ('pysot', 0.5),
    *((name, 1.0) for name in toolkits.TOOLKITS if name != 'pysot'),
  ],
)
def test_the_first_row_is_the_true_one_but_in_pysot(protocol, expected):
  scores = score([FAR, ROW], [ROW, ROW], protocol=protocol)
  assert scores.curves['success'][0] == expected


@pytest.mark.parametrize('protocol', toolkits.TOOLKITS)
def test_a_missing_row_is_a_miss_in_every_protocol(protocol):
  scores = score([ROW, ROW, ROW, NAN_ROW], [ROW] * 4, protocol=protocol)
  assert scores.curves['success'][0] == 0.75
  assert scores.curves['precision'][50] == 0.75
  assert scores['average_overlap'] in (2 / 3, 3 / 4)


# What each toolkit makes of a valid frame followed by one of these, of which
# the result is next to the box: success, precision, normalised precision.
@pytest.mark.parametrize(
  ('protocol', 'benchmark', 'nan', 'outside', 'empty'),
  [
    ('otb', 'otb100', (0.5, 1, None), (0.5, 1, None), (0.5, 1, None)),
    ('pytracking', 'otb100', (0.5, 0.5, 1), (0.5, 0.5, 1), (0.5, 0.5, 1)),
    ('pytracking', 'uav123', (0.5, 1, 1), (0.5, 1, 1), (0.5, 1, 1)),
    ('got10k', 'otb100', (1, 1, None), (1, 1, None), (0.5, 1, None)),
    ('lasot_official', 'lasot', (0.5, 1, 1), (0.5, 1, 1), (0.5, 1, 1)),
  ],
)
def test_an_invalid_true_box_counts_as_its_toolkit_has_it(
  protocol, benchmark, nan, outside, empty
):
  for box, near, expected in (
    (NAN_ROW, ROW, nan),
    ([-3, 50, 10, 10], [-3, 50, 10, 10], outside),
    ([50, 50, 0, 10], ROW, empty),
  ):
    scores = score([ROW, near], [ROW, box], None, protocol, benchmark)
    found = (
      scores.curves['success'][0],
      scores.curves['precision'][20],
      scores.curves['normalized_precision'][20],
    )
    wanted = [np.nan if value is None else value for value in expected]
    np.testing.assert_equal(found, wanted)


@pytest.mark.parametrize(
  ('protocol', 'success'),
  [
    ('pysot', 0.5),
    ('pytracking', 0.5),
    ('lasot_official', 0.5),
    ('otb', 1.0),
    ('got10k', 1.0),
  ],
)
def test_absence_is_a_miss_where_the_toolkit_knows_of_it(protocol, success):
  scores = score([ROW, ROW], [ROW, ROW], [False, True], protocol)
  assert (
    scores.curves['success'][0] == scores.curves['precision'][20] == success
  )


def test_pytracking_repeats_the_box_before_one_without_area():
  scores = score(
    [ROW, NEXT, [0, 0, 0, 0]], [ROW, NEXT, NEXT], protocol='pytracking'
  )
  assert scores.curves['success'][19] == 1.0


def test_got10k_has_the_area_under_the_normalised_curve_of_lasot():
  true = [ROW, ROW]
  found = score([ROW, NEXT], true, None, 'got10k', 'lasot')
  # 0.2 of the side: a hit from 0.2 on, 31 of 51 thresholds.
  assert found['normalized_precision_20'] == pytest.approx((1 + 31 / 51) / 2)
  assert found['precision_20'] == 1.0


def test_got10k_rates_its_own_frames_in_the_image_and_pools_them():
  rate, total, *_ = toolkits.get('got10k', 'got10k_val')
  absent = np.array([False, False, True, False])
  true = np.array([ROW, [90, 50, 20, 10], ROW, ROW], float)
  predicted = np.array([FAR, [90, 50, 40, 10], FAR, NEXT], float)
  # Beyond column 100 nothing counts.
  found = rate(predicted, Truth(true, absent, (100, 100)))
  assert found.rated == 2
  assert found['average_overlap'] == pytest.approx((1 + 8 / 12) / 2)
  assert np.isnan(found['precision_20'])
  long = rate(
    np.array([ROW] * 9, float),
    Truth(np.array([ROW] * 9, float), np.zeros(9, bool)),
  )
  expected = (2 * found['average_overlap'] + 8) / 10
  assert total([found, long])['average_overlap'] == pytest.approx(expected)


def test_trackingnet_rounds_and_has_areas_under_curves():
  # The centre is 10 px off, which rounding makes of 10.4.
  found = score([ROW, [60.4, 50, 10, 10]], [ROW, ROW], protocol='trackingnet')
  # At 0 px half, from 10 px on everything: 21 points 2.5 px apart.
  assert found['precision_20'] == pytest.approx(1 - 0.5 * 8.75 / 50)
  perfect = score([ROW] * 2, [ROW] * 2, protocol='trackingnet')
  assert perfect['success_auc'] == pytest.approx(1.0)


def test_trackingnets_own_example_gets_its_scores():
  """Seven results as the truth, one of 432 of 480 rows, and one of zeros.

  That is what the devkit's example files come to; its scores of them are
  coverage 88.956, precision and normalised precision 87.802, success 88.080.
  """
  rate, total, *_ = toolkits.get('trackingnet', 'trackingnet')

  def sequence(frames, rows, zeros=False):
    true = np.array([ROW] * frames, float)
    predicted = np.zeros_like(true) if zeros else true.copy()
    predicted[rows:] = np.nan
    return rate(predicted, Truth(true, np.zeros(frames, bool)))

  lengths = (480, 540, 480, 540, 450, 540, 540)
  found = [sequence(n, n) for n in lengths]
  found += [sequence(480, 432), sequence(450, 450, zeros=True)]
  figures = total(found).figures
  expected = {
    'average_overlap': 0.8895555555555555,
    'precision_20': 0.8780246913580247,
    'normalized_precision_20': 0.8780246913580247,
    'success_auc': 0.8807962962962964,
  }
  for name, value in expected.items():
    assert figures[name] == pytest.approx(value, abs=1e-12)


def test_an_unknown_protocol_lists_the_known():
  with pytest.raises(
    ValueError, match=r'--protocol ours: of one pass there are pysot'
  ):
    toolkits.get('ours', 'otb100')
