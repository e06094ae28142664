"""One-pass metrics, compared with values computed by hand."""

import numpy as np
import pytest

from acm_jax.evaluation import metrics

# The expected values are exact; float64 results differ by rounding only.
EXACT = 1e-12


def boxes(*rows):
  return np.array(rows, dtype=float)


@pytest.mark.parametrize(
  ('predicted', 'expected'),
  [
    ([10, 20, 30, 40], 1.0),
    ([20, 20, 30, 40], 0.5),
    ([10, 20, 15, 20], 0.25),
    ([40, 20, 30, 40], 0.0),
    ([10, 20, 0, 40], 0.0),
    ([np.nan] * 4, 0.0),
  ],
  ids=['same', 'shifted', 'quarter', 'touching', 'no_width', 'nan'],
)
def test_overlap_is_intersection_over_union(predicted, expected):
  overlap = metrics.overlaps(boxes(predicted), boxes([10, 20, 30, 40]))
  np.testing.assert_allclose(overlap, [expected], atol=EXACT)


def test_centre_distance_is_between_the_central_pixels():
  distance = metrics.center_distances(
    boxes([3, 4, 11, 21], [0, 0, 11, 21]), boxes([0, 0, 11, 21], [0, 0, 5, 5])
  )
  np.testing.assert_allclose(distance, [5, np.hypot(3, 8)], atol=EXACT)


def test_normalised_distance_is_in_sides_of_the_true_box():
  true = boxes([0, 0, 10, 40], [0, 0, 0, 40])
  distance = metrics.normalized_distances(true + [[3, 16, 0, 0]] * 2, true)
  np.testing.assert_allclose(distance[0], 0.5, atol=EXACT)
  assert not np.isfinite(distance[1])


def test_success_counts_overlaps_strictly_above_each_threshold():
  curve = metrics.success_curve(np.array([0.0, 0.5, 0.52, 1.0]), frames=4)
  np.testing.assert_array_equal(
    curve[[0, 9, 10, 11, 20]], [0.75, 0.75, 0.5, 0.25, 0]
  )


def test_a_perfect_result_has_a_mean_success_of_20_over_21():
  curve = metrics.success_curve(np.ones(7), frames=7)
  np.testing.assert_allclose(curve.mean(), 20 / 21, atol=EXACT)


def test_precision_includes_distances_equal_to_the_threshold():
  distance = np.array([0.0, 20.0, 20.001, np.nan])
  curve = metrics.precision_curve(distance, frames=4)
  np.testing.assert_array_equal(curve[[0, 19, 20, 21]], [0.25, 0.25, 0.5, 0.75])


def test_normalised_precision_includes_distances_equal_to_the_threshold():
  distance = np.array([0.2, 0.201, np.inf, np.nan])
  curve = metrics.normalized_precision_curve(distance, frames=4)
  np.testing.assert_array_equal(curve[[19, 20, 21, 50]], [0, 0.25, 0.5, 0.5])


def test_curves_divide_by_the_number_of_frames():
  assert metrics.success_curve(np.ones(2), frames=8)[0] == 0.25
  assert metrics.precision_curve(np.zeros(2), frames=8)[0] == 0.25


def test_success_never_rises_and_precision_never_falls():
  values = np.random.default_rng(0).uniform(0, 1, 200)
  assert (np.diff(metrics.success_curve(values, 200)) <= 0).all()
  assert (np.diff(metrics.precision_curve(60 * values, 200)) >= 0).all()


def test_curves_equal_counts_at_each_threshold():
  # Values are multiples of half a threshold step, so some equal a threshold.
  rng = np.random.default_rng(1)
  overlap = rng.integers(0, 41, 300) / 40
  distance = rng.integers(0, 120, 300) / 2
  success = [(overlap > t / 20).mean() for t in range(21)]
  precision = [(distance <= t).mean() for t in range(51)]
  np.testing.assert_array_equal(metrics.success_curve(overlap, 300), success)
  np.testing.assert_array_equal(
    metrics.precision_curve(distance, 300), precision
  )


def test_average_overlap_and_success_rates_are_undefined_without_frames():
  overlap = np.array([0.5, 0.51, 0.75, 1.0])
  np.testing.assert_allclose(metrics.average_overlap(overlap), 0.69)
  assert metrics.success_rate(overlap, 0.5) == 0.75
  assert metrics.success_rate(overlap, 0.75) == 0.25
  assert np.isnan(metrics.average_overlap(np.zeros(0)))
  assert np.isnan(metrics.success_rate(np.zeros(0), 0.5))
