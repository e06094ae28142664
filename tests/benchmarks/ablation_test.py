"""Comparison of fusions: equal conditions, paired intervals, honest tables."""

import itertools
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from acm_jax import trackers
from acm_jax.host import config_files
from acm_jax.training import trained
from benchmarks import ablation
from benchmarks.ablation_stages import data as ablation_data
from benchmarks.ablation_stages import report, runs, settings, statistics
from benchmarks.ablation_stages.data import FOLDS, Data
from benchmarks.ablation_stages.runs import Run
from configs.ablation import FORMS, TRACKERS
from data_pipelines.clip_set import ClipSet
from data_pipelines.composed.library_writer import Settings
from tests import variables
from tests.data_pipelines.composed import sources

# Number of comparisons in a table of four trackers and three forms.
COMPARISONS = 12


def differences(rng, seeds, sequences, targets, shared=True, gain=0.0):
  """Differences that vary with the target, with the seed and with both."""
  of_target = rng.normal(0, 0.08, targets)
  found = {}
  for seed in range(seeds):
    shift = rng.normal(0, 0.03)
    numbers = range(sequences) if shared else range(seed, sequences, seeds)
    found[seed] = {
      f'video{i}': gain + of_target[i % targets] + shift + rng.normal(0, 0.05)
      for i in numbers
    }
  return found


def shown(sequences, targets):
  return {f'video{i}': f'target{i % targets}' for i in range(sequences)}


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
  rng = np.random.default_rng(0)
  cell = {seed: {f'video{i}': 0.125 for i in range(20)} for seed in range(3)}
  (found,) = statistics.estimates([cell])
  np.testing.assert_allclose(
    [found.mean, found.low, found.high], 0.125, rtol=1e-6
  )
  ours = differences(rng, 3, 20, 20)
  theirs = {
    seed: {name: value - 0.125 for name, value in values.items()}
    for seed, values in ours.items()
  }
  for values in statistics.difference(ours, theirs).values():
    np.testing.assert_allclose(list(values.values()), 0.125, rtol=1e-6)


@pytest.mark.parametrize('seeds', [3, 5])
@pytest.mark.parametrize(
  ('sequences', 'targets', 'shared'),
  [(60, 30, True), (20, 20, False)],
  ids=['shared', 'folds'],
)
def test_intervals_cover_the_true_difference(seeds, sequences, targets, shared):
  covered = []
  for repetition in range(25):
    rng = np.random.default_rng(repetition)
    cells = [
      differences(rng, seeds, sequences, targets, shared, gain=0.1)
      for _ in range(COMPARISONS)
    ]
    found = statistics.estimates(cells, shown(sequences, targets))
    covered += [each.low < 0.1 < each.high for each in found]
  # 300 intervals, of which 95% should cover, with a standard error of 1.3%.
  assert 0.91 < np.mean(covered) < 0.99


def test_a_difference_that_can_be_detected_is_found_in_four_of_five_tables():
  found = []
  rng = np.random.default_rng(0)
  pilot = [differences(rng, 3, 60, 30) for _ in range(COMPARISONS)]
  targets = shown(60, 30)
  least = statistics.detectable(
    statistics.estimates(pilot, targets), 2 * COMPARISONS
  )
  for repetition in range(25):
    rng = np.random.default_rng(1 + repetition)
    cells = [
      differences(rng, 3, 60, 30, gain=least) for _ in range(COMPARISONS)
    ]
    found += [each.low > 0 for each in statistics.estimates(cells, targets)]
  # The spread of twelve comparisons is itself random.
  assert 0.7 < np.mean(found) < 0.9


def test_sequences_of_one_target_count_as_one():
  rng = np.random.default_rng(0)
  cells = [differences(rng, 3, 100, 10) for _ in range(COMPARISONS)]
  alike = statistics.estimates(cells, shown(100, 10))
  apart = statistics.estimates(cells)
  width = [np.mean([x.high - x.low for x in each]) for each in (alike, apart)]
  assert width[0] > 1.2 * width[1]


def test_a_single_seed_has_no_interval():
  cell = differences(np.random.default_rng(0), 1, 20, 20)
  (found,) = statistics.estimates([cell])
  assert (found.error, found.low, found.high) == (None, None, None)
  assert statistics.detectable([found], 0) is None


def test_only_seeds_and_sequences_in_common_are_compared():
  ours = {0: {'a': 0.5, 'b': 0.5}, 1: {'a': 0.9}}
  own = {0: {'b': 0.25, 'c': 0.0}, 2: {'a': 0.0}}
  assert statistics.difference(ours, own) == {0: {'b': 0.25}}
  assert statistics.difference(ours, {3: {'a': 1.0}}) == {}


def test_a_table_says_what_is_missing_and_what_diverged(tmp_path):
  rng = np.random.default_rng(0)
  found = {}
  for tracker in ('siamban', 'siamfc'):
    for seed, values in differences(rng, 3, 10, 10).items():
      better = {name: value + 0.1 for name, value in values.items()}
      for form, own in (('own', values), ('acm', better)):
        found[Run(tracker, form, seed)] = {
          runs.OVERLAPS: {'composed': own},
          runs.PARAMETERS: 1_500_000,
        }
  found[Run('siamban', 'swap', 0)] = {runs.DIVERGED: 'ten steps were skipped'}
  found[Run('siamfc', 'swap', 0)] = None
  text = report.write(tmp_path, found, {'pairs': 16000}, {'video1': 'video0'})
  assert text == (tmp_path / 'ablation.md').read_text().rstrip('\n')
  assert text.startswith('**composed**: 10 sequences of 9 targets. A true')
  gain = '+0.100 (+0.100 to +0.100)'
  (row,) = [line for line in text.splitlines() if '| siamban | acm |' in line]
  assert row.startswith('| siamban | acm | 1.50 M | 3 |')
  assert row.endswith(f'| {gain} |')
  assert '| siamban | swap |  | 0 (1 diverged) |  |  |' in text
  assert f'| acm - own | 2 | {gain} |' in text
  assert '- siamban-swap-0 diverged: ten steps were skipped' in text
  assert text.endswith('- not complete: siamfc-swap-0')
  content = json.loads((tmp_path / 'ablation.json').read_text())
  assert content['missing'] == ['siamfc-swap-0']
  assert content['settings'] == {'pairs': 16000}
  own = found[Run('siamban', 'own', 0)]
  assert content['results']['siamban-own-0'] == own


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Data:
  """Writes the data of fold 1, with few and short sequences."""
  folder = tmp_path_factory.mktemp('ablation')
  found = Data(
    folder / 'data',
    sources.photographs(folder / 'coco'),
    sources.videos(folder / 'davis'),
    (sources.backgrounds(folder / 'scenes', 6),),
    training=Settings(sequences=4, frames=3, longest=100),
    measuring=Settings(sequences=3, frames=3, longest=100, seed=1),
  )
  found.write([1])
  return found


def test_a_fold_trains_on_no_photograph_and_no_video_that_it_is_measured_on(
  data,
):
  def photographs(name):
    with np.load(data.folder / f'{name}_composed' / 'index.npz') as index:
      names = [*index['photograph_name'], *index['object_name']]
    return {Path(each).name.split('.')[0] for each in names}

  measured, trained = photographs('sequences'), photographs('sequences1')
  assert measured
  assert trained
  assert not measured & trained
  held_out = set(data.held_out_videos(1))
  assert held_out
  videos = set(ClipSet(data.fold(1) / 'davis').track_name.tolist())
  assert videos
  assert not held_out & videos
  assert set(ablation_data.targets(data.folder)) == {
    path.name for path in data.sequences.iterdir()
  }


def test_every_video_is_held_out_in_exactly_one_fold(tmp_path):
  masks = sources.videos(tmp_path / 'davis')
  data = Data(tmp_path, tmp_path, masks)
  held_out = map(data.held_out_videos, range(FOLDS))
  assert sorted(itertools.chain(*held_out)) == ['left_out', 'long']


@pytest.fixture(scope='module')
def backbone(tmp_path_factory) -> Path:
  """Writes a model to start from."""
  config = config_files.load('ablation:siamfc,own')
  tracker = trackers.make(**config['tracker'])
  folder = tmp_path_factory.mktemp('backbone')
  trained.save(folder, config, variables.fill(tracker.init_variables))
  return folder


@pytest.fixture
def arguments(data, backbone, tmp_path):
  """Flags of a comparison that does not exist yet."""
  return (
    f'--photographs={data.photographs}',
    f'--masks={data.masks}',
    f'--backgrounds={data.backgrounds[0]}',
    f'--init_from={backbone}',
    f'--out={tmp_path / "out"}',
  )


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--forms=own,dw', '--forms: dw is unknown; choose from own, acm, swap'),
    ('--trackers=ocean', '--trackers: ocean is unknown; choose from siamfc'),
    ('--seeds=0,x', '--seeds=0,x: give numbers'),
    ('--seeds=', '--seeds: give at least one'),
    ('--jobs=4096', 'jobs'),
    ('--masks=', 'give --masks, or --report, which starts no runs'),
    ('--report', 'has no comparison; leave out --report'),
  ],
)
def test_a_bad_request_starts_nothing(
  refuse, arguments, tmp_path, flag, message
):
  refuse(ablation, *arguments, flag, message=message)
  assert not (tmp_path / 'out').exists()


def test_runs_go_on_when_others_fail_or_diverge(
  run_command, monkeypatch, arguments, data, tmp_path
):
  """Runs a stand-in for training in the processes; reports what it does."""
  out = tmp_path / 'out'
  shutil.copytree(data.folder, out / 'data')
  stand_in = tmp_path / 'stand_in.py'
  stand_in.write_text(STAND_IN)
  monkeypatch.setattr(runs, 'PROGRAM', (str(stand_in),))
  chosen = '--trackers=siamfc', '--seeds=1,1'
  code, printed, errors = run_command(ablation, *arguments, *chosen, '--jobs=2')
  assert code == 1
  assert '0 of 4 runs are complete' in printed
  assert any(x.startswith('siamfc-own-1: composed 0.500') for x in printed)
  diverged = 'siamfc-swap-1: diverged: the loss is not finite'
  assert any(x.startswith(diverged) for x in printed)
  assert len(errors) == 1
  assert f'see {out / "siamfc-acm-1" / "log.txt"}, and start' in errors[0]
  # The second time, the run that failed succeeds, and no other run starts.
  code, printed, _ = run_command(ablation, *arguments, *chosen)
  assert code == 0
  assert '3 of 4 runs are complete' in printed
  assert (out / 'ablation.md').read_text().rstrip() in '\n'.join(printed)
  assert sorted((out / 'starts.txt').read_text().split()) == [
    'acm',
    'acm',
    'no_prior',
    'own',
    'swap',
  ]
  code, again, _ = run_command(ablation, f'--out={out}', *chosen, '--report')
  assert code == 0
  assert again == printed[-len(again) :]


def test_a_comparison_has_one_backbone(backbone, tmp_path):
  first = runs.write_backbone(tmp_path, str(backbone))
  assert runs.write_backbone(tmp_path, str(backbone)) == first
  config, weights = trained.read(backbone)
  other = tmp_path / 'other'
  other.mkdir()
  trained.save(other, config, jax.tree.map(lambda x: x + 1, weights))
  with pytest.raises(ValueError, match='is not the backbone of `init_from`'):
    runs.write_backbone(tmp_path, str(other))


STAND_IN = """
import json, pathlib, sys
(_, form, _), workdir, *_ = json.loads(sys.argv[1])
workdir = pathlib.Path(workdir)
with (workdir.parent / 'starts.txt').open('a') as starts:
  print(form, file=starts)
if form == 'acm' and not (workdir / 'second').exists():
  (workdir / 'second').touch()
  sys.exit('out of memory')
result = {'overlaps': {'composed': {'a': 0.5}}, 'parameters': 3}
if form == 'swap':
  result = {'diverged': 'the loss is not finite'}
(workdir / 'result.json').write_text(json.dumps(result))
"""


def test_a_comparison_has_one_budget_and_one_set_of_sources(
  refuse, arguments, tmp_path
):
  out = tmp_path / 'out'
  settings.claim(out, {'pairs': 16000, 'backbone': 1, 'videos': ['dog']})
  before = (out / 'comparison.json').read_text()
  refuse(
    ablation,
    *arguments,
    '--epochs=3',
    message='the runs in this folder had another pairs and backbone and',
  )
  assert (out / 'comparison.json').read_text() == before


@pytest.mark.slow
def test_the_comparison_trains_and_tracks_each_run_once(
  run_command, real_data, arguments, tmp_path
):
  arguments = (
    *arguments,
    f'--photographs={real_data / "stills" / "boxed"}',
    f'--masks={real_data / "sequences" / "DAVIS"}',
    '--trackers=siamfc',
    '--forms=own,swap',
    '--seeds=2',
    '--epochs=2',
  )
  code, printed, errors = run_command(ablation, *arguments, '--jobs=2')
  assert code == 0, errors
  assert '0 of 2 runs are complete' in printed
  tables = (tmp_path / 'out' / 'ablation.md').read_text()
  content = json.loads((tmp_path / 'out' / 'ablation.json').read_text())
  for name in ('siamfc-own-2', 'siamfc-swap-2'):
    measured = content['results'][name]['overlaps']
    assert len(measured['composed']) == 300
    # The videos of fold 2, which training has not seen.
    assert len(measured['davis']) == 6
  code, printed, _ = run_command(ablation, *arguments)
  assert '2 of 2 runs are complete' in printed
  assert (tmp_path / 'out' / 'ablation.md').read_text() == tables
