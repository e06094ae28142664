"""Tests of the command evaluate, from its flags to its files."""

import json
import re
import shutil

import numpy as np
import pytest

from acm_jax import evaluate
from acm_jax.datasets.sequences import read_boxes
from acm_jax.training import trained
from configs import siamban


@pytest.fixture
def flags(tiny_run, sequences, tmp_path):
  """Returns a function that lists the flags of a valid `evaluate` command.

  Its keyword arguments replace or add flags.
  """

  def flags(**changes):
    values = {
      'checkpoint': tiny_run,
      'benchmark': 'folder',
      'data_dir': sequences,
      'out': tmp_path / 'out',
    } | changes
    return [f'--{k}={v}' for k, v in values.items()]

  return flags


def test_results_scores_and_a_sheet_of_frames_are_written(
  run_command, flags, sequences, tmp_path
):
  code, printed, errors = run_command(
    evaluate,
    *flags(benchmark='Folder', baseline='First-Box', hparams='size_lr=0'),
  )
  assert code == 0, errors
  assert any('folder, 2 of 2 sequences' in line for line in printed)
  out = tmp_path / 'out' / 'folder'
  scores = json.loads((tmp_path / 'out' / 'scores.json').read_text())
  assert scores['partial'] is False
  (name,) = set(scores['trackers']) - {'first_box'}
  assert name == 'tiny-size_lr=0'
  assert (out / 'tracked.png').stat().st_size > 0
  assert not [path for path in out.rglob('*') if path.name[0] == '.']
  for sequence in ('synthetic-0000', 'synthetic-0001'):
    truth = read_boxes(sequences / sequence / 'groundtruth.txt')
    baseline = read_boxes(out / 'first_box' / f'{sequence}.txt')
    tracked = read_boxes(out / name / f'{sequence}.txt')
    # Result files have four decimals.
    np.testing.assert_allclose(baseline, truth[:1].repeat(6, 0), atol=1e-4)
    np.testing.assert_allclose(tracked[0], truth[0], atol=1e-4)
    # Sizes stay the same because --hparams sets their rate to 0.
    sizes, first_size = tracked[:, 2:], truth[:1, 2:]
    np.testing.assert_allclose(sizes, first_size.repeat(6, 0), 1e-4)


@pytest.fixture
def small_box(sequences, tmp_path):
  """Folder of sequences, of which synthetic-0001 has a first box of 12 x 8."""
  data = shutil.copytree(sequences, tmp_path / 'data')
  boxes = data / 'synthetic-0001' / 'groundtruth.txt'
  _, *rows = boxes.read_text().splitlines()
  boxes.write_text('\n'.join(['40,40,12,8', *rows]))
  return data


def test_a_sequence_with_a_small_first_box_is_named_once(
  run_command, flags, small_box, caplog
):
  code, _, errors = run_command(
    evaluate, *flags(data_dir=small_box, sequences='synthetic-0001')
  )
  assert code == 0, errors
  (record,) = caplog.records
  assert 'synthetic-0001: the first box is 12 x 8 px' in record.getMessage()


def test_tuned_hyper_parameters_are_selected_by_name(tiny_run):
  model = trained.load(str(tiny_run), 'otb100,size_lr=0.1')
  tuned = siamban.get_config().tuned.otb100
  assert model.name == 'tiny-otb100,size_lr=0.1'
  assert model.hparams.penalty_k == tuned.penalty_k
  assert model.hparams.window_influence == tuned.window_influence
  assert model.hparams.size_lr == 0.1


def test_a_wide_search_is_used_and_part_of_the_name(tiny_run):
  model = trained.load(str(tiny_run), wide_search='long_term')
  assert model.name == 'tiny-long_term'
  assert model.tracker.wide_search.search_size == 831
  assert trained.load(str(tiny_run)).tracker.wide_search is None


def test_the_smallest_side_is_used_and_part_of_the_name(tiny_run):
  for side in (0.0, 4.5):
    model = trained.load(str(tiny_run), smallest_side=side)
    assert model.name == f'tiny-smallest_side={side:g}'
    assert model.tracker.smallest_side == side
  assert trained.load(str(tiny_run)).tracker.smallest_side == 10


def test_a_lower_limit_ends_the_warning_about_a_small_first_box(
  run_command, flags, small_box, caplog
):
  argv = flags(data_dir=small_box, sequences='synthetic-0001', smallest_side=8)
  assert run_command(evaluate, *argv)[0] == 0
  assert not caplog.records


def test_the_threshold_on_the_score_is_calibrated(
  run_command, flags, sequences, tmp_path
):
  def run(*argv, **changes):
    code, printed, errors = run_command(evaluate, *flags(**changes), *argv)
    assert code == 0, errors
    return printed

  # The target is where the model sees it, and hidden at the two lowest scores.
  run()
  ours = tmp_path / 'out' / 'folder' / 'tiny'
  score, _ = np.loadtxt(
    ours / 'presence' / 'synthetic-0000.txt', delimiter=',', unpack=True
  )
  hidden = shutil.copytree(sequences, tmp_path / 'hidden') / 'synthetic-0000'
  shutil.copy(ours / 'synthetic-0000.txt', hidden / 'groundtruth.txt')
  np.savetxt(hidden / 'absent.txt', score <= np.sort(score)[1], '%d')
  changes = {'data_dir': hidden.parent, 'out': tmp_path / 'calibrated'}
  printed = run('--calibrate', **changes)
  assert any('presence F1  absence F1' in line for line in printed)
  found = re.fullmatch(
    r'presence F1 1\.0000 over 1 sequences with hidden frames: '
    r'--hparams=(lost_score=(\S+),found_score=\2)',
    printed[-1],
  )
  scores = tmp_path / 'calibrated' / 'scores.json'
  (own,) = json.loads(scores.read_text())['trackers'].values()
  run(**changes, hparams=found[1])
  (calibrated,) = json.loads(scores.read_text())['trackers'].values()
  assert own['presence_f1'] < calibrated['presence_f1'] == 1


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'search': True}, 'cannot be combined with --search'),
    ({'wide_search': 'long_term'}, 'set --wide_search to never'),
    ({}, 'no sequence has a frame in which the target'),
  ],
  ids=['search', 'wide_search', 'no_hidden_frames'],
)
def test_a_calibration_that_is_not_possible_is_refused(
  run_command, flags, tmp_path, changes, message
):
  code, _, errors = run_command(evaluate, *flags(**changes), '--calibrate')
  assert code != 0
  assert message in errors[-1]
  assert not (tmp_path / 'out').exists()


def test_only_the_selected_sequences_are_scored(run_command, flags, tmp_path):
  listing = tmp_path / 'names.txt'
  listing.write_text('synthetic-0001\nsynthetic-0000\n')
  code, _, errors = run_command(
    evaluate, *flags(sequences=listing, exclude='synthetic-0000')
  )
  assert code == 0, errors
  out = tmp_path / 'out' / 'folder'
  scores = json.loads((out / 'scores.json').read_text())
  assert scores['partial'] is True
  assert scores['coverage'] == '1 of 2 sequences'
  assert list(scores['trackers']['tiny']['sequences']) == ['synthetic-0001']
  assert [path.name for path in (out / 'tiny').glob('*.txt')] == [
    'synthetic-0001.txt'
  ]


def test_scores_of_several_benchmarks_in_one_folder_are_kept(
  run_command, flags, sequences, tmp_path
):
  other = shutil.copytree(sequences, tmp_path / 'otb')
  for name, folder in zip(
    ('Animal1', 'BMX2'), sorted(other.glob('*')), strict=True
  ):
    (folder / 'groundtruth.txt').rename(folder / 'groundtruth_rect.txt')
    folder.rename(other / name)
  for changes in ({}, {'benchmark': 'dtb70', 'data_dir': other}):
    code, _, errors = run_command(evaluate, *flags(**changes))
    assert code == 0, errors
  out = tmp_path / 'out'
  of_folder = {
    folder: json.loads((out / folder / 'scores.json').read_text())['benchmark']
    for folder in ('', 'folder', 'dtb70')
  }
  assert of_folder == {'': 'dtb70', 'folder': 'folder', 'dtb70': 'dtb70'}
  curves = {path.name for path in out.glob('*.*')}
  assert curves < {path.name for path in (out / 'dtb70').glob('*.*')}


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'benchmark': 'otb'}, "unknown benchmark 'otb': choose one of otb100"),
    ({'benchmark': 'lasot'}, 'no sequence in the layout lasot'),
    ({'data_dir': 'nowhere'}, 'nowhere: no such folder'),
    ({'sequences': 'synthetic-0001,nobody'}, 'no sequence nobody; choose from'),
    (
      {'exclude': 'Synthetic-001'},
      'no sequence Synthetic-001 (nearest: synthetic-0001, synthetic-0000)',
    ),
    ({'sequences': 'no/names.txt'}, 'or give the path of a file with one name'),
    ({'sequences': ''}, 'no sequence is left of 2; give more names in --seq'),
    (
      {'exclude': 'synthetic-0000,synthetic-0001'},
      'no sequence is left of 2; give more names in --sequences, or fewer in '
      '--exclude',
    ),
    ({'hparams': 'penalty=1'}, "--hparams: unknown name 'penalty'; give"),
    ({'hparams': 'got10k'}, 'entries: otb100, vot2018, vot2019'),
    (
      {'hparams': 'penalty_k=high'},
      '--hparams: penalty_k=high is not a finite number',
    ),
    ({'wide_search': 'often'}, "--wide_search='often': unknown; choose from"),
    ({'smallest_side': -1}, 'error: --smallest_side=-1.0: give a number of'),
    ({'baseline': 'median'}, "--baseline='median': unknown; choose from first"),
    ({'checkpoint': 'nowhere'}, 'nowhere: no such folder'),
    (
      {'benchmark': 'OTB-100', 'data_dir': '.'},
      'no sequence in the layout otb',
    ),
    ({'lane': 3}, "Unknown command line flag 'lane'"),
  ],
  ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_an_invalid_request_is_refused_and_writes_nothing(
  refuse, flags, tmp_path, changes, message
):
  refuse(evaluate, *flags(**changes), message=message)
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
  'names', [('Car', 'car'), ('a_1', 'a-1'), ('caf\u00e9', 'cafe\u0301')]
)
def test_sequences_with_nearly_the_same_name_are_refused(
  refuse, flags, sequences, tmp_path, names
):
  for name in names:
    shutil.copytree(sequences / 'synthetic-0000', tmp_path / 'two' / name)
  message = 'the names of two sequences differ only in case, accents or'
  refuse(evaluate, *flags(data_dir=tmp_path / 'two'), message=message)
  assert not (tmp_path / 'out').exists()


def test_a_checkpoint_named_like_a_baseline_is_refused(
  refuse, flags, tiny_run, tmp_path
):
  run = shutil.copytree(tiny_run, tmp_path / 'first_box')
  argv = flags(checkpoint=run, baseline='first_box')
  refuse(evaluate, *argv, message='the baseline first_box; rename')


def test_an_error_about_a_first_box_names_the_sequence(
  refuse, flags, sequences, tmp_path
):
  copy = shutil.copytree(sequences, tmp_path / 'copy')
  truth = copy / 'synthetic-0000' / 'groundtruth.txt'
  rows = truth.read_text().splitlines()
  truth.write_text('\n'.join(['nan,nan,nan,nan', *rows[1:]]))
  refuse(evaluate, *flags(data_dir=copy), message='synthetic-0000 row 1')
  assert not list(tmp_path.glob('out/**/*.*'))


def test_a_missing_required_flag_is_named(refuse):
  missing = '--benchmark, --data_dir, --out missing'
  refuse(evaluate, message=missing)
