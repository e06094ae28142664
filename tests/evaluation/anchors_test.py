"""VOT's protocol of anchors: its rules, and vot-toolkit's figures."""

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


def run(codes):
  """A run of characters: . on the target, x beside it, - nowhere."""
  drawn = {'.': BOX, 'x': AWAY, '-': np.zeros(0)}
  return unbroken([drawn[c] for c in codes])


def progress(codes, truth=None):
  regions = (BOX,) * len(codes) if truth is None else truth
  return anchors.overlaps_of(run(codes), Truth(regions, size=SIZE)).progress


def test_a_loss_of_ten_frames_is_a_failure_where_it_began():
  assert progress('.' * 5 + 'x' * 9 + '.' * 5) == 19
  assert progress('.' * 5 + 'x' * 10 + '.' * 5) == 5
  assert progress('.' * 5 + '-' * 10) == 5
  # The first of two.
  assert progress('.' + 'x' * 10 + '.' * 3 + 'x' * 10) == 1


def test_frames_without_a_target_are_no_loss():
  nowhere = np.full(4, np.nan)
  truth = (BOX,) * 8 + (nowhere,) + (BOX,) * 9
  assert progress('....' + 'x' * 14, truth) == 18
  assert progress('....' + 'x' * 14) == 4


def test_a_backward_run_is_held_against_the_frames_behind_its_anchor():
  boxes = tuple(BOX + np.array([i, 0, 0, 0]) for i in range(6))
  back = unbroken(boxes[4::-1], start=4, step=-1)
  followed = anchors.overlaps_of(back, Truth(boxes, size=SIZE))
  np.testing.assert_array_equal(followed.overlap, [0, 1, 1, 1, 1])


def test_expected_overlap_is_padded_behind_a_failure():
  overlap, count = anchors.overlap_sums(
    [
      Followed(np.array([0, 1.0, 1.0, 0.2]), 2),
      Followed(np.array([0, 0.5, 0.5]), 3),
    ],
    6,
  )
  # 1 and 1 over 2; of the third frame on the failed one alone, whose end is
  # counted twice.
  expected = [0, 0.75, 0.5, 1 / 3, 1 / 3, 1 / 4]
  np.testing.assert_allclose(overlap / count, expected)


@pytest.mark.parametrize(
  ('lengths', 'eao'),
  [((30, 200), 0.3859050487329687), ((30, 400), 0.2559261330347013)],
)
def test_figures_are_those_of_vot_toolkit(lengths, eao):
  """By vot-toolkit 0.9.0 on the files that `walks.write` makes."""
  total, each, *_ = anchors.vot_toolkit(walks.runs(), walks.truths(), lengths)
  # Sums in another order.
  close = {'rel': 1e-12}
  assert tuple(total.figures.values()) == pytest.approx(
    (0.5856634013984006, 0.5505583419117265, eao), **close
  )
  assert [s['accuracy'] for s in each.values()] == pytest.approx(
    [
      0.6507830798958258,
      0.489962392401716,
      0.5845212064451007,
      0.6560931989149873,
    ],
    **close,
  )
  assert [s['robustness'] for s in each.values()] == pytest.approx(
    [0.4732620320855615, 0.9503968253968254, 0.33317096931320017, 1.0], **close
  )


def test_lengths_that_no_run_reaches_have_no_overlap():
  """By vot-toolkit 0.9.0 on 60 frames without a failure."""
  runs, truths = {'d': walks.runs()['d']}, walks.truths()
  total, _, redraw, *_ = anchors.vot_toolkit(runs, truths, (30, 200))
  assert total['eao'] == pytest.approx(0.11937352731606019, rel=1e-12)
  assert redraw(np.array([[2]])) == pytest.approx(total['eao'])
  assert anchors.vot_toolkit(runs, truths, (115, 755)).total['eao'] == 0.0


@pytest.mark.parametrize('region', [np.full(4, np.nan), BOX * [1, 1, 0, 1]])
def test_an_anchor_without_a_target_is_told_before_any_is_followed(region):
  truth = Truth((BOX, BOX, region), size=SIZE, anchors={0: 1, 2: -1})
  sequence = sequences.make('a', [Path('1.jpg')] * 3, np.zeros((3, 4)), Path())
  with pytest.raises(ValueError, match='row 3: an anchor; the box needs'):
    next(anchors.Anchors().protocol(sequence, truth))


def test_a_run_lost_from_the_start_has_an_accuracy_of_0():
  runs = {'a': [run('.' + 'x' * 12)]}
  truths = {'a': Truth((BOX,) * 13, size=SIZE)}
  total, *_ = anchors.vot_toolkit(runs, truths, (2, 4))
  assert total['robustness'] == pytest.approx(1 / 13)
  assert (total['accuracy'], total['eao']) == (0.0, 0.0)
