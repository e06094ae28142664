"""VOT's long-term protocol: its rules, and the toolkits' figures."""

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


def values(scores):
  """Precision, recall and F-score."""
  return tuple(scores.figures.values())


@pytest.mark.parametrize('form', [long_term.pysot, long_term.vot_toolkit])
def test_a_tracker_that_knows_when_it_is_off_has_full_precision(form):
  length = 400
  there = np.arange(length) % 2 == 1
  truth = Truth((BOX,) * length, size=SIZE)
  regions = tuple(BOX if on else AWAY for on in there)
  sure = unbroken(regions, np.where(there, 0.9, 0.1))
  total, *_ = form({'a': [sure]}, {'a': truth})
  assert values(total) == pytest.approx((1.0, 0.5, 2 / 3))
  unsure = unbroken(regions, np.full(length, 0.5))
  total, *_ = form({'a': [unsure]}, {'a': truth})
  assert values(total) == pytest.approx((0.5, 0.5, 0.5))


@pytest.mark.parametrize('form', [long_term.pysot, long_term.vot_toolkit])
def test_saying_where_a_target_is_that_is_not_there_costs_precision(form):
  truth = Truth((BOX,) * 101 + (NOWHERE,) * 99, size=SIZE)
  result = unbroken((BOX,) * 200, np.full(200, 0.7))
  total, *_ = form({'a': [result]}, {'a': truth})
  # The first frame, which was given, counts as one that was not found.
  assert values(total)[:2] == pytest.approx((100 / 200, 100 / 101))


def test_figures_are_those_of_vot_toolkit():
  """By vot-toolkit 0.9.0 on the files that `walks.write` makes."""
  total, *_ = long_term.vot_toolkit(walks.results(), walks.truths())
  # Sums in another order.
  expected = (0.5165816756267304, 0.48822096523088093, 0.5020010777037912)
  assert values(total) == pytest.approx(expected, rel=1e-12)


def test_figures_are_those_of_pysot():
  """By pysot's own functions of thresholds and scores, on our overlaps."""
  total, *_ = long_term.pysot(walks.results(), walks.truths())
  # Sums in another order.
  expected = (0.5240112279662663, 0.49756599865889695, 0.5104463238924124)
  assert values(total) == pytest.approx(expected, rel=1e-12)


def test_few_confidences_are_all_thresholds():
  result = unbroken((BOX, BOX, AWAY, BOX), np.array([np.nan, 0.9, 0.8, 0.7]))
  truth = Truth((BOX,) * 4, size=SIZE)
  total, *_ = long_term.vot_toolkit({'a': [result]}, {'a': truth})
  # At 0.9 one of four with precision 1, at 0.7 two with 2 / 3.
  assert values(total) == pytest.approx((2 / 3, 1 / 2, 4 / 7))


def test_pysot_has_no_f_score_of_fewer_confidences_than_thresholds():
  for count in (97, 98):
    result = unbroken((BOX,) * (count + 1), np.r_[np.nan, np.full(count, 0.5)])
    given = {'a': [result]}, {'a': Truth((BOX,) * (count + 1), size=SIZE)}
    if count == 98:
      assert long_term.pysot(*given).total['precision'] == 1.0
    else:
      with pytest.raises(ValueError, match=r'97 confidences: .* fewer than 98'):
        long_term.pysot(*given)
