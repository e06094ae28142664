"""Differences are taken pair by pair, between fusions of the same branch."""

import numpy as np
import pytest

from acm_jax.analysis import findings
from acm_jax.analysis.estimates import Sampling
from acm_jax.analysis.findings import Values

PAIRS = 60


def values(fusion, offset=0.0):
  rng = np.random.default_rng(0)
  same_class = rng.random(PAIRS)
  same_class[::3] = np.nan
  kinds = {'right': rng.random(PAIRS) + offset, 'other': rng.random(PAIRS)}
  kinds['same_class'] = same_class
  return Values(
    responses={fusion: {'cosine': rng.random(PAIRS) + offset}},
    peaks={fusion: np.full((PAIRS, 21), 0.5 + offset)},
    templates={kind: {'iou': x} for kind, x in kinds.items()},
  )


@pytest.fixture
def sampling():
  return Sampling(np.arange(PAIRS) % 7)


def test_a_constant_difference_has_an_interval_of_no_width(sampling):
  first, second = values('cls/xcorr'), values('cls/acm', 0.25)
  each = findings.differences(first, second, sampling)
  cosine = each['responses']['cls/acm - cls/xcorr']['cosine']
  # Means of random numbers.
  assert cosine[:3] == pytest.approx([0.25] * 3)
  assert each['gaps']['other']['iou'][:3] == pytest.approx([0.25] * 3)
  assert each['templates']['other']['iou'][:3] == (0, 0, 0)
  alone = findings.summary(first, sampling)['responses']['cls/xcorr']['cosine']
  assert alone.high - alone.low > 0.05


def test_a_gap_counts_only_pairs_with_the_wrong_template(sampling):
  each = values('cls/acm')
  gap = findings.summary(each, sampling)['gaps']['same_class']['iou']
  known = np.arange(PAIRS) % 3 > 0
  right, wrong = (each.templates[k]['iou'] for k in ('right', 'same_class'))
  assert gap.pairs == known.sum()
  assert gap.mean == pytest.approx((right - wrong)[known].mean())


@pytest.mark.parametrize(
  ('first', 'second', 'expected'),
  [
    (['cls_2/fusion'], ['cls_2/fusion'], [('cls_2/fusion', 'cls_2/fusion')]),
    (['fusing'], ['fusing'], [('fusing', 'fusing')]),
    (['cls/xcorr'], ['cls/acm'], [('cls/xcorr', 'cls/acm')]),
    (
      ['cls/xcorr'],
      ['cls/xcorr', 'cls/acm'],
      [('cls/xcorr', 'cls/xcorr')],
    ),
    (['cls/pixel'], ['cls/xcorr', 'cls/acm'], []),
  ],
)
def test_fusions_of_the_same_path_or_alone_in_a_branch_match(
  first, second, expected
):
  assert findings.matches(first, second) == expected


def test_undefined_values_are_null_in_json():
  tree = {'a': findings.Estimate(0.5, np.nan, np.nan, 3, 1), 'b': [np.nan, 1]}
  assert findings.as_json(tree) == {
    'a': {'mean': 0.5, 'low': None, 'high': None, 'pairs': 3, 'sequences': 1},
    'b': [None, 1],
  }
