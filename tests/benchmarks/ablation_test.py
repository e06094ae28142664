"""Comparison of fusions: equal conditions, paired intervals, honest tables."""

import itertools
import json

import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.host import config_files
from acm_jax.training import trained
from benchmarks import ablation
from benchmarks.ablation_stages import report, runs, statistics
from benchmarks.ablation_stages.data import FOLDS, Data
from benchmarks.ablation_stages.runs import Run
from configs.ablation import FORMS, TRACKERS
from tests import variables
from tests.data_pipelines.composed import sources

# Standard deviation of a seed's shift.
SPREAD = 0.05


def overlaps(rng, seeds, sequences, gain=0.0):
  """Overlaps that vary with the sequence, with the seed and with both."""
  # The same sequences, whatever the state of `rng`.
  hard = np.random.default_rng(sequences).uniform(0.2, 0.8, sequences)
  return {
    seed: {
      f'video{i}': gain + hard[i] + shift + rng.normal(0, 0.02)
      for i in range(sequences)
    }
    for seed, shift in enumerate(rng.normal(0, SPREAD, seeds))
  }


@pytest.mark.parametrize('tracker', TRACKERS)
def test_only_the_fusion_and_its_head_differ_between_forms(tracker):
  def sections(form):
    loaded = config_files.load(f'ablation:{tracker},{form}')
    differing = ('fusion', 'fusion_options', 'head_size')
    for name in differing:
      loaded['tracker'].pop(name, None)
    # SiamFC's own correlation has no weights, and therefore no rate.
    rates = dict(loaded['phases']['all']['rates'])
    rates.pop('', None)
    loaded['phases']['all']['rates'] = rates
    return loaded

  own = sections('own')
  for form in FORMS:
    assert sections(form) == own


def test_the_recipe_is_the_same_for_all_trackers():
  loaded = [config_files.load(f'ablation:{name},acm') for name in TRACKERS]
  for name in ('train', 'sets', 'augment', 'data', 'schedule', 'optimizer'):
    assert all(each[name] == loaded[0][name] for each in loaded)
  for name in ('backbone', 'levels', 'width', 'template_size', 'search_size'):
    assert len({str(each['tracker'][name]) for each in loaded}) == 1


def test_an_equal_gain_everywhere_has_no_interval():
  own = overlaps(np.random.default_rng(0), 3, 20)
  ours = {
    seed: {name: value + 0.125 for name, value in values.items()}
    for seed, values in own.items()
  }
  np.testing.assert_allclose(statistics.difference(ours, own), 0.125, rtol=1e-6)


def test_intervals_cover_the_true_difference():
  covered = []
  for seed in range(40):
    rng = np.random.default_rng(seed)
    ours, own = overlaps(rng, 8, 30, gain=0.1), overlaps(rng, 8, 30)
    estimate = statistics.difference(ours, own)
    covered.append(estimate.low < 0.1 < estimate.high)
  # Resampling eight seeds covers somewhat less than 95%.
  assert np.mean(covered) > 0.75


def test_seeds_with_videos_of_their_own_are_resampled_within_the_seed():
  own = {0: {'a': 0.5, 'b': 0.5}, 1: {'c': 0.9, 'd': 0.9}}
  estimate = statistics.mean(own)
  assert estimate.mean == pytest.approx(0.7)
  # A draw has the first seed twice, the second seed twice, or both.
  assert (estimate.low, estimate.high) == (0.5, 0.9)


def test_only_seeds_and_sequences_in_common_are_compared():
  ours = {0: {'a': 0.5, 'b': 0.5}, 1: {'a': 0.9}}
  own = {0: {'b': 0.25, 'c': 0.0}, 2: {'a': 0.0}}
  assert statistics.difference(ours, own).mean == 0.25
  with pytest.raises(ValueError, match='no seed and sequence in common'):
    statistics.difference(ours, {3: {'a': 1.0}})


def test_a_difference_that_can_be_detected_is_2_8_standard_errors():
  rng = np.random.default_rng(0)
  own = overlaps(rng, 200, 50)
  # With many seeds, the error of a mean difference is that of two shifts.
  expected = 2.8 * SPREAD * (2 / 200) ** 0.5
  # The draws and the spread of 200 seeds are random.
  assert statistics.detectable(own) == pytest.approx(expected, rel=0.2)


def test_a_table_says_which_runs_diverged_and_compares_the_others(tmp_path):
  rng = np.random.default_rng(0)
  found = {}
  for seed, values in overlaps(rng, 3, 10).items():
    found[Run('siamban', 'own', seed)] = {'composed': values}
    better = {name: value + 0.1 for name, value in values.items()}
    found[Run('siamban', 'acm', seed)] = {'composed': better}
  found[Run('siamban', 'swap', 0)] = {runs.DIVERGED: 'ten steps were skipped'}
  text = report.write(tmp_path, found, {'missing': ['siamfc-own-0']})
  assert text == (tmp_path / 'ablation.md').read_text().rstrip('\n')
  (row,) = [line for line in text.splitlines() if '| acm | 3 |' in line]
  assert row.endswith('| +0.100 (+0.100 to +0.100) |')
  assert '- siamban-swap-0: ten steps were skipped' in text
  assert 'Smallest difference that can be detected: siamban 0.' in text
  content = json.loads((tmp_path / 'ablation.json').read_text())
  assert content['missing'] == ['siamfc-own-0']
  assert content['overlaps']['siamban-own-0'] == found['siamban', 'own', 0]


def test_every_video_is_held_out_in_exactly_one_fold(tmp_path):
  masks = sources.videos(tmp_path / 'davis')
  data = Data(tmp_path, tmp_path, masks)
  held_out = map(data.held_out_videos, range(FOLDS))
  assert sorted(itertools.chain(*held_out)) == ['left_out', 'long']


ARGUMENTS = ('--photographs=p', '--masks=m', '--init_from=i')


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--forms=own,dw', '--forms: dw is unknown; choose from own, acm, swap'),
    ('--trackers=ocean', '--trackers: ocean is unknown; choose from siamfc'),
    ('--seeds=0,x', '--seeds=0,x: give numbers'),
    ('--report', 'no run is complete; leave out --report'),
  ],
)
def test_a_bad_request_starts_nothing(refuse, tmp_path, flag, message):
  out = tmp_path / 'out'
  refuse(ablation, *ARGUMENTS, flag, f'--out={out}', message=message)
  assert not out.exists()


@pytest.mark.slow
def test_the_comparison_trains_and_tracks_each_run_once(
  run_command, real_data, tmp_path
):
  config = config_files.load('ablation:siamfc,own')
  tracker = trackers.make(**config['tracker'])
  weights = variables.fill(tracker.init_variables)
  (tmp_path / 'backbone').mkdir()
  trained.save(tmp_path / 'backbone', config, weights)
  arguments = (
    f'--photographs={real_data / "stills" / "boxed"}',
    f'--masks={real_data / "sequences" / "DAVIS"}',
    f'--init_from={tmp_path / "backbone"}',
    '--trackers=siamfc',
    '--forms=own,swap',
    '--seeds=3',
    '--epochs=2',
    f'--out={tmp_path / "out"}',
  )
  code, printed, errors = run_command(ablation, *arguments, '--jobs=2')
  assert code == 0, errors
  assert '0 of 2 runs are complete' in printed
  tables = (tmp_path / 'out' / 'ablation.md').read_text()
  content = json.loads((tmp_path / 'out' / 'ablation.json').read_text())
  for name in ('siamfc-own-3', 'siamfc-swap-3'):
    measured = content['overlaps'][name]
    assert len(measured['composed']) == 300
    # The videos of fold 3, which training has not seen.
    assert len(measured['davis']) == 4
  code, printed, _ = run_command(ablation, *arguments)
  assert '2 of 2 runs are complete' in printed
  assert (tmp_path / 'out' / 'ablation.md').read_text() == tables
