"""The reset protocol: its rules on small runs, and published figures."""

import json
import subprocess
import sys

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
  """A run of single characters: 1, 2, 0, or . where it is on the target."""
  events = [TRACKED if c in '.x' else int(c) for c in codes]
  drawn = {'.': region, 'x': AWAY}
  region = tuple(drawn.get(c, np.zeros(0)) for c in codes)
  return Run(region, np.array(events))


def analyse(form, *codes, lengths=(2, 4)):
  runs = {str(i): [run(c)] for i, c in enumerate(codes)}
  truths = {
    str(i): Truth((BOX,) * len(c), size=SIZE) for i, c in enumerate(codes)
  }
  return form(runs, truths, lengths)


def test_accuracy_leaves_out_burn_in_and_what_was_not_tracked():
  # On the target for the first ten frames, beside it for the other two.
  total, *_ = analyse(reset.pysot, '1' + '.' * 9 + 'xx')
  assert total['accuracy'] == 0.0
  total, *_ = analyse(reset.pysot, '1' + 'x' * 9 + '..20000' + '1' + 'x' * 9)
  assert total['accuracy'] == 1.0


def test_failures_are_counted_in_each_form():
  codes = '1' + '.' * 13 + '200001' + '.' * 20, '1' + '.' * 59
  total, sequences, *_ = analyse(reset.pysot, *codes)
  assert (total['failures'], total['robustness']) == (1, 1.0)
  assert sequences['0']['robustness'] == 2.5
  total, sequences, *_ = analyse(reset.vot_toolkit, *codes)
  # Of 40 of 100 frames.
  assert total['failures'] == pytest.approx(0.4)
  assert total['robustness'] == pytest.approx(np.exp(-30 * 0.4 / 50))
  assert sequences['0']['robustness'] == pytest.approx(np.exp(-30 / 40))
  assert sequences['1']['robustness'] == 1.0


def test_several_runs_give_the_mean_number_of_failures():
  runs = {'a': [run('1....'), run('1.200')]}
  total, *_ = reset.pysot(runs, {'a': Truth((BOX,) * 5, size=SIZE)}, (2, 4))
  assert total['failures'] == 0.5


def test_expected_overlap_is_padded_after_a_failure_alone():
  overlap, count = reset.overlap_sums(
    [
      Fragment(np.array([9.0, 1, 1]), failed=True),
      Fragment(np.array([9.0, 0.5]), failed=False),
    ],
    length=5,
  )
  # The first frame is left out; the second fragment ends before frame 2.
  np.testing.assert_allclose(overlap / count, [0, 0.75, 1, 2 / 3, 0.5])
  np.testing.assert_array_equal(count, [2, 2, 1, 1, 1])


def test_eao_of_draws_is_that_of_the_drawn_sequences():
  codes = '1.x.', '1..20'
  names = [str(i) for i in range(len(codes))]
  runs = {name: [run(c)] for name, c in zip(names, codes, strict=True)}
  truths = {
    n: Truth((BOX,) * len(c), size=SIZE)
    for n, c in zip(names, codes, strict=True)
  }
  for form in (reset.pysot, reset.vot_toolkit):
    redraw = form(runs, truths, (2, 4)).redraw
    alone = [form({n: runs[n]}, truths, (2, 4)).total['eao'] for n in names]
    both = form(runs, truths, (2, 4)).total['eao']
    drawn = np.array([[1, 0], [0, 3], [2, 2]])
    np.testing.assert_allclose(redraw(drawn), [*alone, both])
    assert alone[0] != alone[1]


def test_fragments_begin_and_end_where_each_toolkit_has_it():
  # Tracked for 3 frames, failed, started again 5 later, tracked for 3.
  codes = '1...200001...'
  pysot, *_ = analyse(reset.pysot, codes, lengths=(4, 4))
  # Entry 3: 1 for both fragments.
  assert pysot['eao'] == 1.0
  pysot, *_ = analyse(reset.pysot, codes, lengths=(7, 7))
  # Entry 6, of the first fragment alone: 3 of 6 frames.
  assert pysot['eao'] == 0.5
  vot, *_ = analyse(reset.vot_toolkit, codes + '...', lengths=(6, 6))
  # The second fragment is tracked for 6.
  assert vot['eao'] == 0.75


def test_a_sequence_that_fails_at_its_very_end_has_no_other_start():
  total, *_ = analyse(reset.pysot, '1...2', lengths=(5, 5))
  # Its only fragment reaches the end: 3 of 4 frames.
  assert total['eao'] == 0.75


def test_without_the_size_of_the_images_nothing_is_cut_at_the_right():
  beyond = np.array([90.0, 10, 40, 20])
  runs = {'a': [run('1' + '.' * 10, region=beyond)]}
  half = np.array([90.0, 10, 19, 20])
  for size, accuracy in (((100, 100), 1.0), (None, 20 / 41)):
    truth = {'a': Truth((half,) * 11, size=size)}
    total, *_ = reset.pysot(runs, truth, (2, 4))
    assert total['accuracy'] == pytest.approx(accuracy)


# Accuracy, failures and EAO that pysot's own code and vot-toolkit 0.8.0 give.
PUBLISHED = {
  ('VOT2018', 'NanoTrackV1'): {
    'pysot': (0.54240673, 70, 0.31126740),
    'vot_toolkit': (0.54193129, 1.35025286, 0.30960092),
  },
  ('VOT2018', 'LightTrack'): {
    'pysot': (0.52923649, 38, 0.41818611),
    'vot_toolkit': (0.53570421, 0.85114254, 0.42228749),
  },
  ('VOT2019', 'NanoTrackV1'): {
    'pysot': (0.53486035, 112, 0.24698624),
    'vot_toolkit': (0.53003034, 1.66064710, 0.24354337),
  },
  ('VOT2019', 'LightTrack'): {
    'pysot': (0.52369920, 63, 0.32770112),
    'vot_toolkit': (0.53102790, 1.01173815, 0.32743370),
  },
}


# In a process of its own, in which types are not checked: with checks of every
# frame's region it takes several times as long.
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


@pytest.mark.parametrize('benchmark', ['VOT2018', 'VOT2019'])
@pytest.mark.parametrize('protocol', ['pysot', 'vot_toolkit'])
def test_published_runs_get_the_figures_of_both_toolkits(
  real_data, benchmark, protocol
):
  root = real_data / 'benchmarks' / benchmark
  published = {k[1]: v for k, v in PUBLISHED.items() if k[0] == benchmark}
  results = [root / 'results' / tracker for tracker in published]
  arguments = map(str, (benchmark.lower(), protocol, root, *results))
  command = [sys.executable, '-c', SCORE, *arguments]
  ran = subprocess.run(command, capture_output=True, text=True, check=True)
  found = json.loads(ran.stdout)
  assert not found['missing']
  # The figures have eight decimals; pysot counts in float32.
  bound = {'vot_toolkit': 2e-8, 'pysot': 2e-6}[protocol]
  for tracker, figures in published.items():
    own = found['trackers'][tracker]
    accuracy, failures, eao = figures[protocol]
    assert sum(own['failures']) == figures['pysot'][1]
    assert own['total']['failures'] == pytest.approx(failures, abs=1e-7)
    assert own['total']['accuracy'] == pytest.approx(accuracy, abs=bound)
    assert own['total']['eao'] == pytest.approx(eao, abs=bound)


def values(scores):
  """Accuracy, robustness and failures."""
  return tuple(scores.figures.values())[:3]


def test_figures_are_those_of_vot_toolkit():
  """By vot-toolkit 0.9.0 on the files that `walks.write` makes."""
  runs = walks.resets()
  total, each, *_ = reset.vot_toolkit(runs, walks.truths(), (20, 60))
  # Sums in another order.
  close = {'rel': 1e-12}
  assert values(total) == pytest.approx(
    (0.20155412335178655, 0.49699880488291864, 3.3793103448275863), **close
  )
  # It counts some of it in float32.
  assert total['eao'] == pytest.approx(0.21663445079229707, rel=1e-7)
  assert values(each['a']) == pytest.approx(
    (0.19765060659001438, 0.5934874977560279, 4), **close
  )
  assert values(each['d']) == pytest.approx(
    (0.21651760427191316, 0.6065306597126334, 1), **close
  )


def test_expected_overlap_ends_with_the_longest_fragment():
  """By vot-toolkit 0.9.0, as above; the longest has 105 frames."""
  runs, truths = walks.resets(), walks.truths()
  total, *_ = reset.vot_toolkit(runs, truths, (20, 400))
  assert total['eao'] == pytest.approx(0.17185439595989152, rel=1e-7)
  assert np.isnan(reset.vot_toolkit(runs, truths, (105, 400)).total['eao'])


@pytest.mark.parametrize(
  ('name', 'frames'),
  [('vot2016', 21455), ('vot2018', 21356), ('vot2019', 19935)],
)
def test_annotations_of_vot_are_complete(real_data, name, frames):
  truth = annotations.read(
    benchmarks.get(name), real_data / 'benchmarks' / name.upper()
  )
  assert len(truth) == 60
  assert sum(len(t.region) for t in truth.values()) == frames
