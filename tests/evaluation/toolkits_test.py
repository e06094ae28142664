"""One-pass scores as the toolkits define them; each test covers one rule."""

import numpy as np
import pytest

from acm_jax.evaluation import outcome, toolkits
from acm_jax.evaluation.truth import Truth

NAN_ROW = [np.nan] * 4
ROW, NEXT, FAR = [50, 50, 10, 10], [52, 50, 10, 10], [200, 200, 10, 10]


def score(predicted, true, absent=None, protocol='pysot', benchmark='folder'):
  """Scores boxes of one sequence under a scoring protocol."""
  true = np.array(true, dtype=float)
  absent = np.zeros(len(true), bool) if absent is None else np.array(absent)
  toolkit = toolkits.get(protocol, benchmark)
  return toolkit.score(np.array(predicted, dtype=float), Truth(true, absent))


def test_a_perfect_result_has_perfect_scores():
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


def test_an_absent_frame_is_a_miss_in_every_score():
  scores = score([ROW] * 4, [ROW] * 3 + [NAN_ROW], [False, False, True, True])
  assert scores.curves['success'][0] == 0.5
  assert scores.curves['precision'][50] == 0.5
  assert scores.curves['normalized_precision'][50] == 0.5


def test_a_missing_row_is_a_miss_even_if_the_true_box_is_invalid():
  scores = score([ROW, NAN_ROW, NAN_ROW], [ROW, ROW, NAN_ROW])
  assert scores.curves['success'][0] == pytest.approx(1 / 3)
  assert scores.curves['precision'][50] == pytest.approx(1 / 3)
  assert scores.curves['normalized_precision'][50] == pytest.approx(1 / 3)


def test_average_overlap_excludes_the_first_absent_and_invalid_frames():
  half = [50, 50, 5, 10]
  scores = score(
    predicted=[ROW, half, ROW, ROW, ROW],
    true=[ROW, ROW, ROW, NAN_ROW, [50, 50, 0, 10]],
    absent=[False, False, True, False, False],
  )
  assert scores['average_overlap'] == 0.5
  assert scores['success_rate_50'] == 0.0


def test_a_sequence_of_one_frame_has_no_average_overlap():
  scores = score([ROW], [ROW])
  assert np.isnan(scores['average_overlap'])
  assert scores.curves['precision'][0] == 1.0


def test_each_sequence_has_the_same_weight_in_the_mean():
  far = [90, 90, 10, 10]
  short, long = score([ROW] * 2, [ROW] * 2), score([far] * 9, [ROW] * 9)
  mean = outcome.mean([short, long])
  assert mean['precision_20'] == 0.5
  assert mean['average_overlap'] == 0.5


def test_an_undefined_figure_is_left_out_of_the_mean():
  undefined, defined = score([ROW], [ROW]), score([ROW] * 2, [ROW] * 2)
  assert outcome.mean([undefined, defined])['average_overlap'] == 1.0
  assert np.isnan(outcome.mean([undefined])['average_overlap'])


@pytest.mark.parametrize(
  ('protocol', 'expected'),
  [
    ('pysot', 0.5),
    *((name, 1.0) for name in toolkits.TOOLKITS if name != 'pysot'),
  ],
)
def test_all_toolkits_but_pysot_replace_the_first_row_by_the_true_box(
  protocol, expected
):
  scores = score([FAR, ROW], [ROW, ROW], protocol=protocol)
  assert scores.curves['success'][0] == expected


@pytest.mark.parametrize('protocol', toolkits.TOOLKITS)
def test_a_missing_row_is_a_miss_in_every_toolkit(protocol):
  scores = score([ROW, ROW, ROW, NAN_ROW], [ROW] * 4, protocol=protocol)
  assert scores.curves['success'][0] == 0.75
  assert scores.curves['precision'][50] == 0.75
  # Only TrackingNet rates the first frame.
  assert scores['average_overlap'] in (2 / 3, 3 / 4)


# Success, precision and normalised precision of two frames: a perfect one, and
# one with a true box that is NaN, outside the image or empty (None: undefined).
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
def test_an_invalid_true_box_counts_by_the_rules_of_each_toolkit(
  protocol, benchmark, nan, outside, empty
):
  for box, near, expected in (
    (NAN_ROW, ROW, nan),
    ([-3, 50, 10, 10], [-3, 50, 10, 10], outside),
    ([50, 50, 0, 10], ROW, empty),
  ):
    scores = score(
      [ROW, near], [ROW, box], protocol=protocol, benchmark=benchmark
    )
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
def test_an_absent_frame_is_a_miss_if_the_toolkit_reads_labels(
  protocol, success
):
  scores = score([ROW, ROW], [ROW, ROW], [False, True], protocol)
  assert (
    scores.curves['success'][0] == scores.curves['precision'][20] == success
  )


def test_pytracking_replaces_a_box_without_area_by_the_box_before():
  scores = score(
    [ROW, NEXT, [0, 0, 0, 0]], [ROW, NEXT, NEXT], protocol='pytracking'
  )
  assert scores.curves['success'][19] == 1.0


def test_got10k_takes_the_area_under_the_normalised_curve_of_lasot():
  true = [ROW, ROW]
  scores = score([ROW, NEXT], true, protocol='got10k', benchmark='lasot')
  # A frame with a distance of 0.2 sides is a hit at 31 of the 51 thresholds.
  assert scores['normalized_precision_20'] == pytest.approx((1 + 31 / 51) / 2)
  assert scores['precision_20'] == 1.0


def test_got10k_clips_boxes_of_its_own_set_and_pools_the_frames():
  toolkit = toolkits.get('got10k', 'got10k_val')
  absent = np.array([False, False, True, False])
  true = np.array([ROW, [90, 50, 20, 10], ROW, ROW], float)
  predicted = np.array([FAR, [90, 50, 40, 10], FAR, NEXT], float)
  # The image is 100 px wide, so that both boxes of frame 1 are clipped alike.
  short = toolkit.score(predicted, Truth(true, absent, (100, 100)))
  assert short.rated == 2
  assert short['average_overlap'] == pytest.approx((1 + 8 / 12) / 2)
  assert np.isnan(short['precision_20'])
  perfect = np.array([ROW] * 9, float)
  long = toolkit.score(perfect, Truth(perfect, np.zeros(9, bool)))
  expected = (2 * short['average_overlap'] + 8) / 10
  total = toolkit.total([short, long])
  assert total['average_overlap'] == pytest.approx(expected)


def test_trackingnet_rounds_boxes_and_takes_areas_under_curves():
  # Rounding reduces the distance of 10.4 px to 10 px.
  scores = score([ROW, [60.4, 50, 10, 10]], [ROW, ROW], protocol='trackingnet')
  # Half of the frames are hits at 0 px, and all frames from 10 px on; the 21
  # thresholds are 2.5 px apart.
  assert scores['precision_20'] == pytest.approx(1 - 0.5 * 8.75 / 50)
  perfect = score([ROW] * 2, [ROW] * 2, protocol='trackingnet')
  assert perfect['success_auc'] == pytest.approx(1.0)


def test_the_example_of_the_trackingnet_devkit_gets_its_scores():
  """Scores results that are equivalent to the devkit's example files.

  There are seven perfect results, one with 432 of 480 rows, and one of zeros.
  The devkit's scores are 88.956 for coverage, 87.802 for precision and for
  normalised precision, and 88.080 for success.
  """
  toolkit = toolkits.get('trackingnet', 'trackingnet')

  def sequence(frames, rows, zeros=False):
    true = np.array([ROW] * frames, float)
    predicted = np.zeros_like(true) if zeros else true.copy()
    predicted[rows:] = np.nan
    return toolkit.score(predicted, Truth(true, np.zeros(frames, bool)))

  lengths = (480, 540, 480, 540, 450, 540, 540)
  scores = [sequence(frames, frames) for frames in lengths]
  scores += [sequence(480, 432), sequence(450, 450, zeros=True)]
  figures = toolkit.total(scores).figures
  expected = {
    'average_overlap': 0.8895555555555555,
    'precision_20': 0.8780246913580247,
    'normalized_precision_20': 0.8780246913580247,
    'success_auc': 0.8807962962962964,
  }
  for name, value in expected.items():
    assert figures[name] == pytest.approx(value, abs=1e-12)
