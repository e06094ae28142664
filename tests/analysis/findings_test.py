"""Differences are taken pair by pair, between fusions of the same branch."""

import dataclasses

import numpy as np
import pytest

from acm_jax.analysis import findings
from acm_jax.analysis.estimates import Sampling
from acm_jax.analysis.findings import Values
from acm_jax.analysis.measure import Found, Measured
from acm_jax.analysis.pairs import Pair
from acm_jax.analysis.response import Statistics

PAIRS = 60


def values(fusion, offset=0.0):
  rng = np.random.default_rng(0)
  same_class = rng.random(PAIRS)
  same_class[::3] = np.nan
  kinds = {'right': rng.random(PAIRS) + offset, 'other': rng.random(PAIRS)}
  kinds['same_class'] = same_class
  kinds['centered'] = rng.random(PAIRS)
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
  # The centred box is the same for both.
  assert 'centered' not in {**each['templates'], **each['gaps']}


def test_a_gap_counts_only_pairs_with_the_wrong_template(sampling):
  each = values('cls/acm')
  gap = findings.summary(each, sampling)['gaps']['same_class']['iou']
  known = np.arange(PAIRS) % 3 > 0
  right, wrong = (each.templates[k]['iou'] for k in ('right', 'same_class'))
  assert gap.pairs == known.sum()
  assert gap.mean == pytest.approx((right - wrong)[known].mean())


def test_peaks_have_an_interval_for_each_rank(sampling):
  each = values('cls/acm')
  ratios = np.random.default_rng(1).random((PAIRS, 21))
  each.peaks['cls/acm'][:] = ratios
  each.peaks['cls/lone'] = np.full((PAIRS, 21), np.nan)
  peaks = findings.summary(each, sampling)['peaks']
  assert list(peaks) == ['cls/acm']
  for estimate, ratio in zip(peaks['cls/acm'], ratios.T, strict=True):
    assert estimate == sampling.estimate(ratio)


@pytest.fixture
def pairs():
  """Two pairs of templates, the second without another target."""
  crops, sizes = (
    np.zeros((2, 8, 8, 3), np.uint8),
    np.array([[40.0, 20], [8, 8]]),
  )
  kinds = ('right', 'other', 'size')
  return Pair(
    search=crops,
    truth=np.array([[0.0, 0, 40, 20], [4, 0, 8, 8]]),
    picture=np.zeros((2, 4)),
    template=dict.fromkeys(kinds, crops),
    box_size=dict.fromkeys(kinds, sizes),
    exists={
      'right': np.ones(2, bool),
      'other': np.array([True, False]),
      'size': np.array([True, False]),
    },
    sequence=np.arange(2),
  )


def found(iou, change):
  box, heat = np.zeros((2, 4)), {'cls/acm': np.zeros((2, 3, 3))}
  change = {'cls/acm': np.array(change)}
  return Found(box, np.full(2, 0.5), np.array(iou), heat, change)


def measured(**kinds):
  ones = np.ones(2)
  fields = {field.name: ones for field in dataclasses.fields(Statistics)}
  fields['peaks'] = np.ones((2, 21))
  return Measured(kinds, {'cls/acm': Statistics(**fields)}, ones.astype(bool))


def test_a_centred_box_has_the_overlap_of_no_movement(pairs):
  templates = {kind: found([1.0, 1], [0.0, 0]) for kind in ('right', 'other')}
  each = findings.values(measured(**templates), pairs)
  # The second target is half its width away from the centre.
  np.testing.assert_allclose(each.templates['centered']['iou'], [1, 1 / 3])
  assert np.isnan(each.templates['centered']['score']).all()


def test_a_wrong_size_is_measured_only_with_a_prior(pairs):
  kinds = {
    'right': found([0.9, 0.9], [0.0, 0]),
    'other': found([0.2, 0], [1, 2]),
  }
  without = findings.values(measured(**kinds), pairs)
  assert np.isnan(without.templates['size']['iou']).all()
  assert np.isnan(without.responses['cls/acm']['size_change']).all()
  kinds['size'] = found([0.8, 0.7], [0.1, 0.3])
  each = findings.values(measured(**kinds), pairs)
  np.testing.assert_allclose(each.templates['size']['iou'], [0.8, np.nan])
  responses = each.responses['cls/acm']
  np.testing.assert_allclose(responses['size_change'], [0.1, np.nan])
  np.testing.assert_allclose(responses['change'], [1, np.nan])


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
