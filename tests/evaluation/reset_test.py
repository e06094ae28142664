"""The reset experiment: rules on small runs, and figures of published runs."""

import json
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

from acm_jax.evaluation import annotations, benchmarks
from acm_jax.evaluation.experiments import reset
from acm_jax.evaluation.experiments.reset import Fragment
from acm_jax.evaluation.runs import TRACKED, Run
from acm_jax.evaluation.truth import Truth
from tests.evaluation import walks

BOX = np.array([10.0, 10, 20, 20])
AWAY = np.array([60.0, 60, 20, 20])
SIZE = (100, 100)


def run(codes, region=BOX):
  """Creates a run from codes.

  The codes are 0, 1 and 2, or . on target, x off target, - without a region.
  """
  events = [TRACKED if c in '.x-' else int(c) for c in codes]
  known = {'.': region, 'x': AWAY}
  regions = tuple(known.get(c, np.zeros(0)) for c in codes)
  return Run(regions, np.array(events))


def analyse(score, *codes, lengths=(2, 4)):
  """Scores one run for each of the sequences '0', '1', ..."""
  runs = {str(i): [run(c)] for i, c in enumerate(codes)}
  truths = {
    str(i): Truth((BOX,) * len(c), size=SIZE) for i, c in enumerate(codes)
  }
  return score(runs, truths, lengths)


def test_accuracy_excludes_burn_in_and_frames_that_were_not_tracked():
  # Without the burn-in of ten frames, only the two frames off target remain.
  outcome = analyse(reset.pysot, '1' + '.' * 9 + 'xx')
  assert outcome.total['accuracy'] == 0.0
  codes = '1' + 'x' * 9 + '..20000' + '1' + 'x' * 9
  assert analyse(reset.pysot, codes).total['accuracy'] == 1.0


def test_failures_are_counted_by_the_rules_of_each_toolkit():
  codes = '1' + '.' * 13 + '200001' + '.' * 20, '1' + '.' * 59
  outcome = analyse(reset.pysot, *codes)
  assert outcome.total['failures'] == 1
  assert outcome.total['robustness'] == 1.0
  assert outcome.sequences['0']['robustness'] == 2.5
  outcome = analyse(reset.vot_toolkit, *codes)
  # The sequence with the failure has 40 of the 100 frames.
  assert outcome.total['failures'] == pytest.approx(0.4)
  expected = np.exp(-30 * 0.4 / 50)
  assert outcome.total['robustness'] == pytest.approx(expected)
  first, second = outcome.sequences['0'], outcome.sequences['1']
  assert first['robustness'] == pytest.approx(np.exp(-30 / 40))
  assert second['robustness'] == 1.0


def test_failures_are_averaged_over_the_runs_of_a_sequence():
  runs = {'a': [run('1....'), run('1.200')]}
  outcome = reset.pysot(runs, {'a': Truth((BOX,) * 5, size=SIZE)}, (2, 4))
  assert outcome.total['failures'] == 0.5


def test_only_fragments_that_failed_are_padded_with_0():
  sums = reset.overlap_sums(
    [
      Fragment(np.array([9.0, 1, 1]), failed=True),
      Fragment(np.array([9.0, 0.5]), failed=False),
    ],
    length=5,
  )
  # Frame 0 is left out, and the second fragment ends before frame 2.
  expected = [0, 0.75, 1, 2 / 3, 0.5]
  np.testing.assert_allclose(sums.overlap / sums.count, expected)
  np.testing.assert_array_equal(sums.count, [2, 2, 1, 1, 1])


@pytest.mark.parametrize('score', [reset.pysot, reset.vot_toolkit])
def test_eao_of_a_draw_is_the_eao_of_the_drawn_sequences(score):
  codes = '1.x.', '1..20'
  first, second = (analyse(score, each).total['eao'] for each in codes)
  assert first != second
  outcome = analyse(score, *codes)
  drawn = np.array([[1, 0], [0, 3], [2, 2]])
  expected = [first, second, outcome.total['eao']]
  np.testing.assert_allclose(outcome.redraw(drawn), expected)


def eao(score, codes, length):
  """Returns the EAO over a single length."""
  return analyse(score, codes, lengths=(length, length)).total['eao']


def test_fragments_begin_and_end_by_the_rules_of_each_toolkit():
  # Tracked for 3 frames, failed, restarted after 5, and tracked for 3.
  codes = '1...200001...'
  # At length 4, both fragments have an overlap of 1.
  assert eao(reset.pysot, codes, 4) == 1.0
  # At length 7, only the first fragment counts, tracked in 3 of 6 frames.
  assert eao(reset.pysot, codes, 7) == 0.5
  # In this run, the second fragment is tracked for 6 frames.
  assert eao(reset.vot_toolkit, codes + '...', 6) == 0.75


def test_a_sequence_that_fails_too_late_to_restart_has_one_fragment():
  # The fragment is tracked in 3 of 4 frames.
  assert eao(reset.pysot, '1...2', 5) == 0.75


@pytest.mark.parametrize(
  ('codes', 'expected'),
  [
    # The restart would be in the frame after the last: the fragment has
    # failed, is tracked in 3 of 11 frames, and has the weight 9 / 10. The other
    # sequence is tracked in all frames.
    ('1...20000', (9 / 10 * 3 / 11 + 1) / (9 / 10 + 1)),
    # The restart would be later, so that the fragment ends before length 12.
    ('1...2000', 1.0),
    ('1...2', 1.0),
  ],
)
def test_in_pysot_a_fragment_fails_if_five_frames_are_left(codes, expected):
  outcome = analyse(reset.pysot, codes, '1' + '.' * 11, lengths=(12, 12))
  assert outcome.total['eao'] == pytest.approx(expected)


def test_in_pysot_eao_ignores_lengths_beyond_the_longest_sequence():
  outcome = analyse(reset.pysot, '1...20000', lengths=(9, 20))
  assert outcome.total['eao'] == 3 / 8
  both = analyse(reset.pysot, '1...20000', '1' + '.' * 9, lengths=(9, 20))
  # At length 10, the first sequence is tracked in 3 of 9 frames. Its restart
  # would be in the frame after the last, so that it has the weight 9 / 10.
  weight = 9 / 10
  assert both.total['eao'] == pytest.approx(
    np.mean([(weight * 3 / n + 1) / (weight + 1) for n in (8, 9)])
  )
  draws = np.array([[1, 0], [0, 1], [1, 1]])
  np.testing.assert_allclose(both.redraw(draws), [3 / 8, 1, both.total['eao']])


@pytest.mark.parametrize(
  ('score', 'length'), [(reset.pysot, 6), (reset.vot_toolkit, 5)]
)
def test_frames_without_a_region_are_left_out_of_accuracy_only(score, length):
  # Overlap of a frame off target is 0, and - is a frame without a region.
  total = analyse(score, '1' + '.' * 10 + '-x').total
  assert total['accuracy'] == 0.5
  # The fragment is tracked in 4 of 5 frames.
  assert eao(score, '1..-...', length) == pytest.approx(0.8)


@pytest.mark.parametrize(
  ('size', 'accuracy'), [((100, 100), 1.0), (None, 20 / 41)]
)
def test_regions_are_not_clipped_if_the_image_size_is_unknown(size, accuracy):
  beyond = np.array([90.0, 10, 40, 20])
  runs = {'a': [run('1' + '.' * 10, region=beyond)]}
  half = np.array([90.0, 10, 19, 20])
  truth = {'a': Truth((half,) * 11, size=size)}
  outcome = reset.pysot(runs, truth, (2, 4))
  assert outcome.total['accuracy'] == pytest.approx(accuracy)


class Published(NamedTuple):
  """Figures that a toolkit computes from published runs."""

  accuracy: float
  failures: float
  eao: float


# Figures computed by pysot's own code and by vot-toolkit 0.8.0.
PUBLISHED = {
  'VOT2018': {
    'NanoTrackV1': {
      'pysot': Published(0.54240673, 70, 0.31126740),
      'vot_toolkit': Published(0.54193129, 1.35025286, 0.30960092),
    },
    'LightTrack': {
      'pysot': Published(0.52923649, 38, 0.41818611),
      'vot_toolkit': Published(0.53570421, 0.85114254, 0.42228749),
    },
  },
  'VOT2019': {
    'NanoTrackV1': {
      'pysot': Published(0.53486035, 112, 0.24698624),
      'vot_toolkit': Published(0.53003034, 1.66064710, 0.24354337),
    },
    'LightTrack': {
      'pysot': Published(0.52369920, 63, 0.32770112),
      'vot_toolkit': Published(0.53102790, 1.01173815, 0.32743370),
    },
  },
}


# Scores in a separate process, without the test suite's type checks: a check of
# the region in every frame would take several times as long as scoring.
SCORE = """
import json, sys
from pathlib import Path
from acm_jax.evaluation import scoring

name, protocol, root, *results = sys.argv[1:]
found = scoring.compute(name, Path(root), [*map(Path, results)], protocol)
print(json.dumps({
  'missing': found.missing,
  'trackers': {
    tracker: {
      'total': dict(outcome.total.figures),
      'failures': [each['failures'] for each in outcome.sequences.values()],
    }
    for tracker, outcome in found.trackers.items()
  },
}))
"""


@pytest.mark.parametrize('benchmark', PUBLISHED)
@pytest.mark.parametrize('protocol', ['pysot', 'vot_toolkit'])
def test_published_runs_get_the_figures_of_both_toolkits(
  real_data, benchmark, protocol
):
  root = real_data / 'benchmarks' / benchmark
  published = PUBLISHED[benchmark]
  results = [root / 'results' / tracker for tracker in published]
  arguments = map(str, (benchmark.lower(), protocol, root, *results))
  command = [sys.executable, '-c', SCORE, *arguments]
  ran = subprocess.run(command, capture_output=True, text=True, check=True)
  found = json.loads(ran.stdout)
  assert not found['missing']
  # The published figures have eight decimals, and pysot computes in float32.
  bound = {'vot_toolkit': 2e-8, 'pysot': 2e-6}[protocol]
  for tracker, by_toolkit in published.items():
    own, expected = found['trackers'][tracker], by_toolkit[protocol]
    # pysot reports only the sum of the failures over all sequences.
    assert sum(own['failures']) == by_toolkit['pysot'].failures
    total = own['total']
    assert total['failures'] == pytest.approx(expected.failures, abs=1e-7)
    assert total['accuracy'] == pytest.approx(expected.accuracy, abs=bound)
    assert total['eao'] == pytest.approx(expected.eao, abs=bound)


def without_eao(scores):
  return {name: v for name, v in scores.figures.items() if name != 'eao'}


def test_figures_are_those_of_vot_toolkit():
  """Compares with vot-toolkit 0.9.0 on the files of `walks.write`."""
  outcome = reset.vot_toolkit(walks.resets(), walks.truths(), (20, 60))
  # The toolkit computes parts of EAO in float32, so EAO differs by rounding.
  assert outcome.total['eao'] == pytest.approx(0.21663445079229707, rel=1e-7)
  for scores, accuracy, robustness, failures in (
    (
      outcome.total,
      0.20155412335178655,
      0.49699880488291864,
      3.3793103448275863,
    ),
    (outcome.sequences['a'], 0.19765060659001438, 0.5934874977560279, 4),
    (outcome.sequences['d'], 0.21651760427191316, 0.6065306597126334, 1),
  ):
    expected = {
      'accuracy': accuracy,
      'robustness': robustness,
      'failures': failures,
    }
    # The toolkit sums in another order, so float64 sums differ by rounding.
    assert without_eao(scores) == pytest.approx(expected, rel=1e-12)


def test_eao_ignores_lengths_beyond_the_longest_fragment():
  """Compares with vot-toolkit 0.9.0; the longest fragment has 105 frames."""
  runs, truths = walks.resets(), walks.truths()
  total = reset.vot_toolkit(runs, truths, (20, 400)).total
  assert total['eao'] == pytest.approx(0.17185439595989152, rel=1e-7)
  assert np.isnan(reset.vot_toolkit(runs, truths, (105, 400)).total['eao'])


@pytest.mark.parametrize(
  ('name', 'frames'),
  [('vot2016', 21455), ('vot2018', 21356), ('vot2019', 19935)],
)
def test_annotations_of_vot_are_complete(real_data, name, frames):
  truths = annotations.read(
    benchmarks.get(name), real_data / 'benchmarks' / name.upper()
  )
  assert len(truths) == 60
  assert sum(truth.frames for truth in truths.values()) == frames
