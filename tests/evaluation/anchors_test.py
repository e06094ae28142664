"""The anchor experiment: rules for failures, and figures of vot-toolkit."""

from pathlib import Path

import numpy as np
import pytest

from acm_jax.datasets import sequences
from acm_jax.evaluation.experiments import anchors
from acm_jax.evaluation.experiments.anchors import Followed
from acm_jax.evaluation.runs import unbroken
from acm_jax.evaluation.truth import Truth
from tests.evaluation import walks

BOX = np.array([10.0, 10, 20, 20])
AWAY = np.array([60.0, 60, 20, 20])
SIZE = (100, 100)
# The toolkit sums in another order, so float64 sums differ by rounding.
SUMMATION = 1e-12


def run(codes):
  """Creates a run from characters: . on target, x off target, - no region."""
  region = {'.': BOX, 'x': AWAY, '-': np.zeros(0)}
  return unbroken([region[c] for c in codes])


def progress(codes, truth=None):
  """Returns the number of frames before the failure."""
  regions = (BOX,) * len(codes) if truth is None else truth
  return anchors.overlaps_of(run(codes), Truth(regions, size=SIZE)).progress


def test_losing_the_target_for_ten_frames_is_a_failure_at_the_first_of_them():
  assert progress('.' * 5 + 'x' * 9 + '.' * 5) == 19
  assert progress('.' * 5 + 'x' * 10 + '.' * 5) == 5
  assert progress('.' * 5 + '-' * 10) == 5
  # Only the first of two failures counts.
  assert progress('.' + 'x' * 10 + '.' * 3 + 'x' * 10) == 1


def test_the_target_is_not_lost_in_frames_without_a_target():
  nowhere = np.full(4, np.nan)
  truth = (BOX,) * 8 + (nowhere,) + (BOX,) * 9
  assert progress('....' + 'x' * 14, truth) == 18
  assert progress('....' + 'x' * 14) == 4


def test_no_region_overlaps_an_absent_target():
  """Compares with vot-toolkit 0.9.0, for regions and ground truth of NaN."""
  nowhere = np.full(4, np.nan)
  truth = Truth((BOX, nowhere, nowhere, BOX), size=SIZE)
  followed = anchors.overlaps_of(run('.-x-'), truth)
  np.testing.assert_array_equal(followed.overlap, [0, 1, 0, 0])


def test_a_backward_run_is_compared_with_the_frames_before_its_anchor():
  boxes = tuple(BOX + np.array([i, 0, 0, 0]) for i in range(6))
  back = unbroken(boxes[4::-1], start=4, step=-1)
  followed = anchors.overlaps_of(back, Truth(boxes, size=SIZE))
  np.testing.assert_array_equal(followed.overlap, [0, 1, 1, 1, 1])


def test_overlap_after_a_failure_is_0():
  sums = anchors.overlap_sums(
    [
      Followed(np.array([0, 1.0, 1.0, 0.2]), progress=2),
      Followed(np.array([0, 0.5, 0.5]), progress=3),
    ],
    length=6,
  )
  # From position 3 on, only the failed run counts, with a single overlap of 1.
  # It has 4 frames, so from position 4 on, the divisor is smaller by one.
  expected = [0, 0.75, 0.5, 1 / 3, 1 / 3, 1 / 4]
  np.testing.assert_allclose(sums.overlap / sums.count, expected)


@pytest.mark.parametrize(
  ('lengths', 'eao'),
  [((30, 200), 0.3859050487329687), ((30, 400), 0.2559261330347013)],
)
def test_figures_are_those_of_vot_toolkit(lengths, eao):
  """Compares with vot-toolkit 0.9.0 on the files of `walks.write`."""
  outcome = anchors.vot_toolkit(walks.runs(), walks.truths(), lengths)
  expected = {
    'accuracy': 0.5856634013984006,
    'robustness': 0.5505583419117265,
    'eao': eao,
  }
  assert outcome.total.figures == pytest.approx(expected, rel=SUMMATION)
  accuracy, robustness = (
    {name: scores[figure] for name, scores in outcome.sequences.items()}
    for figure in ('accuracy', 'robustness')
  )
  expected = {
    'a': 0.6507830798958258,
    'b': 0.489962392401716,
    'c': 0.5845212064451007,
    'd': 0.6560931989149873,
  }
  assert accuracy == pytest.approx(expected, rel=SUMMATION)
  expected = {
    'a': 0.4732620320855615,
    'b': 0.9503968253968254,
    'c': 0.33317096931320017,
    'd': 1.0,
  }
  assert robustness == pytest.approx(expected, rel=SUMMATION)


def test_lengths_that_no_run_reaches_count_as_0():
  """Compares with vot-toolkit 0.9.0 on 60 frames without a failure."""
  runs, truths = {'d': walks.runs()['d']}, walks.truths()
  outcome = anchors.vot_toolkit(runs, truths, (30, 200))
  eao = outcome.total['eao']
  assert eao == pytest.approx(0.11937352731606019, rel=SUMMATION)
  assert outcome.redraw(np.array([[2]])) == pytest.approx(eao)
  assert anchors.vot_toolkit(runs, truths, (115, 755)).total['eao'] == 0.0


@pytest.mark.parametrize('region', [np.full(4, np.nan), BOX * [1, 1, 0, 1]])
def test_an_anchor_without_a_target_is_refused_before_tracking(region):
  truth = Truth((BOX, BOX, region), size=SIZE, anchors={0: 1, 2: -1})
  sequence = sequences.make('a', [Path('1.jpg')] * 3, np.zeros((3, 4)), Path())
  with pytest.raises(ValueError, match='row 3: trackers are started at this'):
    next(anchors.Anchors().protocol(sequence, truth))


def test_a_run_that_fails_at_once_has_an_accuracy_of_0():
  runs = {'a': [run('.' + 'x' * 12)]}
  truths = {'a': Truth((BOX,) * 13, size=SIZE)}
  total = anchors.vot_toolkit(runs, truths, (2, 4)).total
  assert total['robustness'] == pytest.approx(1 / 13)
  assert (total['accuracy'], total['eao']) == (0.0, 0.0)
