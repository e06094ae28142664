"""The long-term experiment: rules for scores, and figures of the toolkits."""

import numpy as np
import pytest

from acm_jax.evaluation.experiments import long_term
from acm_jax.evaluation.runs import unbroken
from acm_jax.evaluation.truth import Truth
from tests.evaluation import walks

BOX = np.array([10.0, 10, 20, 20])
AWAY = np.array([60.0, 60, 20, 20])
NOWHERE = np.full(4, np.nan)
SIZE = (100, 100)
# The toolkits sum in another order, so float64 sums differ by rounding.
SUMMATION = 1e-12


def figures(precision, recall, f_score):
  return {'precision': precision, 'recall': recall, 'f_score': f_score}


@pytest.mark.parametrize('score', [long_term.pysot, long_term.vot_toolkit])
def test_confidences_that_separate_hits_from_misses_give_full_precision(score):
  length = 400
  on_target = np.arange(length) % 2 == 1
  truth = Truth((BOX,) * length, size=SIZE)
  regions = tuple(BOX if on else AWAY for on in on_target)
  sure = unbroken(regions, np.where(on_target, 0.9, 0.1))
  total = score({'a': [sure]}, {'a': truth}).total
  assert total.figures == pytest.approx(figures(1.0, 0.5, 2 / 3))
  unsure = unbroken(regions, np.full(length, 0.5))
  total = score({'a': [unsure]}, {'a': truth}).total
  assert total.figures == pytest.approx(figures(0.5, 0.5, 0.5))


@pytest.mark.parametrize('score', [long_term.pysot, long_term.vot_toolkit])
def test_reporting_an_absent_target_reduces_precision(score):
  truth = Truth((BOX,) * 101 + (NOWHERE,) * 99, size=SIZE)
  result = unbroken((BOX,) * 200, np.full(200, 0.7))
  total = score({'a': [result]}, {'a': truth}).total
  # The first frame, in which the tracker is started, counts as a miss.
  assert total['precision'] == pytest.approx(100 / 200)
  assert total['recall'] == pytest.approx(100 / 101)


def test_in_vot_toolkit_no_region_overlaps_an_absent_target():
  """Compares with vot-toolkit 0.9.0, for regions and ground truth of NaN."""
  truth = Truth((BOX, BOX, NOWHERE, NOWHERE), size=SIZE)
  result = unbroken((BOX, BOX, BOX, np.zeros(0)), np.full(4, 0.9))
  total = long_term.vot_toolkit({'a': [result]}, {'a': truth}).total
  assert total.figures == pytest.approx(figures(2 / 4, 2 / 2, 2 / 3))
  # No region misses a target that is visible.
  truth = Truth((BOX,) * 4, size=SIZE)
  total = long_term.vot_toolkit({'a': [result]}, {'a': truth}).total
  assert total.figures == pytest.approx(figures(2 / 4, 2 / 4, 2 / 4))


def test_figures_are_those_of_vot_toolkit():
  """Compares with vot-toolkit 0.9.0 on the files of `walks.write`."""
  total = long_term.vot_toolkit(walks.results(), walks.truths()).total
  expected = figures(
    0.5165816756267304, 0.48822096523088093, 0.5020010777037912
  )
  assert total.figures == pytest.approx(expected, rel=SUMMATION)


def test_figures_are_those_of_pysot():
  """Compares with the scores that pysot's code gives to the same overlaps."""
  total = long_term.pysot(walks.results(), walks.truths()).total
  expected = figures(
    0.5240112279662663, 0.49756599865889695, 0.5104463238924124
  )
  assert total.figures == pytest.approx(expected, rel=SUMMATION)


def test_all_confidences_are_thresholds_if_they_are_few():
  result = unbroken((BOX, BOX, AWAY, BOX), np.array([np.nan, 0.9, 0.8, 0.7]))
  truth = Truth((BOX,) * 4, size=SIZE)
  total = long_term.vot_toolkit({'a': [result]}, {'a': truth}).total
  # At threshold 0.9, the target is found in one of four frames, with precision
  # 1. At 0.7, the best threshold, it is found in two, with precision 2 / 3.
  assert total.figures == pytest.approx(figures(2 / 3, 1 / 2, 4 / 7))


@pytest.mark.parametrize('count', [97, 98])
def test_pysot_refuses_fewer_confidences_than_thresholds(count):
  result = unbroken((BOX,) * (count + 1), np.r_[np.nan, np.full(count, 0.5)])
  truth = Truth((BOX,) * (count + 1), size=SIZE)
  if count < 98:
    with pytest.raises(ValueError, match=r'97 confidences; .* at least 98'):
      long_term.pysot({'a': [result]}, {'a': truth})
  else:
    total = long_term.pysot({'a': [result]}, {'a': truth}).total
    assert total['precision'] == 1.0
