"""Overlaps in pixels, compared with the toolkits' overlaps of the regions."""

import numpy as np
import pytest

from acm_jax.evaluation import regions

BOUNDS = (64, 50)


def overlap(form, a, b):
  return form(np.array(a, float), np.array(b, float), BOUNDS)


# The expected overlaps are those that vot-toolkit 0.9.0 and pysot compute.
@pytest.mark.parametrize(
  ('a', 'b', 'vot_toolkit', 'pysot'),
  [
    ([10, 10, 20, 20], [15, 15, 20, 20], 0.391304347826087, 0.4089456796646118),
    ([10, 10, 20, 20], [10, 10, 20, 20], 1.0, 1.0),
    (
      [10.4, 10.4, 20, 20],
      [15.6, 15.6, 20, 20],
      0.32450331125827814,
      0.34246575832366943,
    ),
    ([10, 10, 4, 4], [12, 12, 4, 4], 0.14285714285714285, 0.2195121943950653),
    (
      [20, 10, 30, 20, 20, 30, 10, 20],
      [15, 15, 20, 20],
      0.38,
      0.3469387888908386,
    ),
    (
      [20, 10, 30, 20, 20, 30, 10, 20],
      [25, 10, 35, 20, 25, 30, 15, 20],
      0.40764331210191085,
      0.41290321946144104,
    ),
    (
      [20.5, 9.5, 30.5, 20, 20, 30.5, 9.5, 20.5],
      [15.5, 14.5, 20, 20],
      0.37389380530973454,
      0.359281450510025,
    ),
    (
      [-10, -5, 30, 30],
      [5, 5, 30, 10],
      0.23076923076923078,
      0.24753867089748383,
    ),
    (
      [50, 30, 40, 40],
      [45, 35, 60, 10],
      0.42424242424242425,
      0.44594594836235046,
    ),
    ([10, 10, 20, 20], [40, 10, 5, 5], 0.0, 0.0),
    ([10.2, 10, 5, 5], [15.4, 10, 5, 5], 0.0, 0.09090909361839294),
    (
      [52.3, 26.1, 66.9, 43.2, 46.8, 59.7, 32.8, 42.7],
      [42.2, 30.9, 7.7, 35.7],
      0.2903885480572597,
      0.3300970792770386,
    ),
    ([12, 12, 12, 12, 12, 12, 12, 12], [10, 10, 5, 5], 0.04, 0.0),
  ],
)
def test_overlaps_are_those_of_the_toolkits(a, b, vot_toolkit, pysot):
  found = overlap(regions.vot_toolkit_overlap, a, b)
  assert found == pytest.approx(vot_toolkit, abs=1e-12)
  # pysot computes in float32, so the overlaps differ by rounding.
  found = overlap(regions.pysot_overlap, a, b)
  assert found == pytest.approx(pysot, abs=1e-7)


@pytest.mark.parametrize(
  ('box', 'expected'),
  [
    ([178, 128, 78, 70], 0.6620643205926924),
    # The box extends further left than the polygon, which moves the origin.
    ([167, 100, 92, 90], 0.4036504424778761),
  ],
)
def test_crossings_at_whole_pixels_are_truncated_as_in_vot_toolkit(
  box, expected
):
  """Compares with vot-toolkit 0.9.0; two edges cross rows at a whole pixel."""
  corners = np.array([211.0, 123, 266, 155, 232, 214, 177, 181])
  for region in (corners, corners.reshape(-1, 2)[[1, 2, 3, 0]].ravel()):
    found = regions.vot_toolkit_overlap(
      region, np.array(box, float), (480, 360)
    )
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
  'form', [regions.pysot_overlap, regions.vot_toolkit_overlap]
)
def test_overlap_is_symmetric_and_close_to_the_iou_of_the_areas(form):
  rng = np.random.default_rng(0)
  for _ in range(100):
    low, sides = rng.uniform(5, 15, (2, 2)), rng.uniform(15, 25, (2, 2))
    a, b = np.concatenate([low, sides], axis=1)
    common = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    exact = common.prod() / (a[2:].prod() + b[2:].prod() - common.prod())
    found = form(a, b, BOUNDS)
    assert found == form(b, a, BOUNDS)
    # Rounding moves an edge by up to 1 px; the sides are at least 15 px long.
    assert found == pytest.approx(exact, abs=0.2)


@pytest.mark.parametrize(
  ('region', 'expected'),
  [
    ((), 1),
    ((0, 0, 0, 0), 1),
    ((0, 0, 1, 5), 1),
    ((3, 0, 9, 1), 1),
    ((-9, 0, 5, 1), 1),
    ((0.6, 0.6, 0.2, 0.2), 1),
    ((0, 0, 1.6, 9), 0),
    ((10, 10, 0, 0), 0),
    ((-5, -5, 3, 3), 0),
    ((5, 5, 20, 20), 0),
    ((0, 0, 0.4, 9, 0.3, 20), 1),
    ((0, 0, 0.4, 9, 5, 20), 0),
    ((1.5, 0, 1.5, 9, 1.5, 20), 0),
  ],
)
def test_overlap_with_no_region_is_that_of_vot_toolkit(region, expected):
  """The expected values were computed by vot-toolkit 0.9.0."""
  region = np.array(region, float)
  assert regions.vot_toolkit_overlap_alone(region) == expected
