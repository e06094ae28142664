"""The evaluate command, from the command line to its files."""

import json
import shutil

import numpy as np
import pytest

from acm_jax import evaluate
from acm_jax.datasets.sequences import read_boxes
from acm_jax.training import trained
from configs import siamban


@pytest.fixture
def given(tiny_run, sequences, tmp_path):
  """Flags of a good request."""

  def given(**changes):
    flags = {
      'checkpoint': tiny_run,
      'benchmark': 'folder',
      'data_dir': sequences,
      'out': tmp_path / 'out',
    } | changes
    return [f'--{k}={v}' for k, v in flags.items()]

  return given


def test_results_scores_and_a_picture_are_written(
  run_command, given, sequences, tmp_path
):
  code, printed, errors = run_command(
    evaluate, *given(baseline='first_box', hparams='size_lr=0')
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
    first = read_boxes(out / 'first_box' / f'{sequence}.txt')
    ours = read_boxes(out / name / f'{sequence}.txt')
    # Files have four decimals.
    np.testing.assert_allclose(first, truth[:1].repeat(6, 0), atol=1e-4)
    np.testing.assert_allclose(ours[0], truth[0], atol=1e-4)
    # The size cannot change at a rate of 0: --hparams was heard.
    np.testing.assert_allclose(ours[:, 2:], truth[:1, 2:].repeat(6, 0), 1e-4)


def test_hparams_go_by_the_benchmark_they_were_found_on(tiny_run):
  model = trained.load(str(tiny_run), 'otb100,size_lr=0.1')
  tuned = siamban.get_config().tuned.otb100
  assert model.name == 'tiny-otb100,size_lr=0.1'
  assert model.hparams.penalty_k == tuned.penalty_k
  assert model.hparams.window_influence == tuned.window_influence
  assert model.hparams.size_lr == 0.1


def test_a_wide_search_is_named_and_followed(tiny_run):
  model = trained.load(str(tiny_run), wide_search='long_term')
  assert model.name == 'tiny-long_term'
  assert model.tracker.wide_search.search_size == 831
  assert trained.load(str(tiny_run)).tracker.wide_search is None


def test_named_sequences_alone_are_scored(run_command, given, tmp_path):
  code, _, errors = run_command(evaluate, *given(sequences='synthetic-0001'))
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
  run_command, given, sequences, tmp_path
):
  other = shutil.copytree(sequences, tmp_path / 'otb')
  for name, folder in zip(
    ('Animal1', 'BMX2'), sorted(other.glob('*')), strict=True
  ):
    (folder / 'groundtruth.txt').rename(folder / 'groundtruth_rect.txt')
    folder.rename(other / name)
  for changes in ({}, {'benchmark': 'dtb70', 'data_dir': other}):
    code, _, errors = run_command(evaluate, *given(**changes))
    assert code == 0, errors
  out = tmp_path / 'out'
  named = {
    place: json.loads((out / place / 'scores.json').read_text())['benchmark']
    for place in ('', 'folder', 'dtb70')
  }
  assert named == {'': 'dtb70', 'folder': 'folder', 'dtb70': 'dtb70'}
  curves = {path.name for path in out.glob('*.*')}
  assert curves < {path.name for path in (out / 'dtb70').glob('*.*')}


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'benchmark': 'otb'}, "unknown benchmark 'otb': choose one of otb100"),
    ({'benchmark': 'lasot'}, 'no sequence in the layout lasot'),
    ({'data_dir': 'nowhere'}, 'nowhere: no such folder'),
    ({'sequences': 'synthetic-0001,nobody'}, '--sequences: nobody not found'),
    ({'hparams': 'penalty=1'}, "hparams: no 'penalty'; there are"),
    ({'hparams': 'got10k'}, 'and the names otb100, vot2018, vot2019'),
    (
      {'hparams': 'penalty_k=high'},
      'hparams: penalty_k=high is not penalty_k=NUMBER',
    ),
    ({'wide_search': 'often'}, "no wide_search 'often': there are never"),
    ({'baseline': 'median'}, "--baseline: no 'median'; there are first_box"),
    ({'checkpoint': 'nowhere'}, 'nowhere: no such folder'),
    ({'lane': 3}, "Unknown command line flag 'lane'"),
  ],
  ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_a_wrong_request_is_one_line_and_writes_nothing(
  refuse, given, tmp_path, changes, message
):
  refuse(evaluate, *given(**changes), message=message)
  assert not (tmp_path / 'out').exists()


def test_a_checkpoint_named_like_a_baseline_is_refused(
  refuse, given, tiny_run, tmp_path
):
  run = shutil.copytree(tiny_run, tmp_path / 'first_box')
  argv = given(checkpoint=run, baseline='first_box')
  refuse(evaluate, *argv, message='first_box: a baseline is named so; rename')


def test_a_first_box_that_cannot_be_tracked_names_its_sequence(
  refuse, given, sequences, tmp_path
):
  copy = shutil.copytree(sequences, tmp_path / 'copy')
  truth = copy / 'synthetic-0000' / 'groundtruth.txt'
  rows = truth.read_text().splitlines()
  truth.write_text('\n'.join(['nan,nan,nan,nan', *rows[1:]]))
  refuse(evaluate, *given(data_dir=copy), message='synthetic-0000 row 1')
  assert not list(tmp_path.glob('out/**/*.*'))


def test_a_missing_required_flag_is_named(refuse):
  missing = '--checkpoint, --benchmark, --data_dir, --out missing'
  refuse(evaluate, message=missing)
