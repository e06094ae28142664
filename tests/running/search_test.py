"""Tests of the search of hyper-parameters."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from acm_jax import evaluate, trackers
from acm_jax.evaluation import benchmarks
from acm_jax.evaluation.results import read_boxes
from acm_jax.running import search
from acm_jax.running.evaluate import Task
from acm_jax.running.search import Budget
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.model import Model
from acm_jax.tracking.programs import Programs

FOLDER = benchmarks.get('folder')
OWN = Hparams(0.1, 0.4, 0.4, 0.5)


@pytest.fixture
def folder_task(sequences):
  return Task(FOLDER, sequences, benchmarks.sequences(FOLDER, sequences))


@pytest.fixture
def run_search(tiny_model, folder_task, tmp_path):
  """Returns a function that runs a search and returns the results folder."""

  def run_search(budget, task=folder_task, hparams=OWN):
    model = dataclasses.replace(tiny_model, hparams=hparams)
    search.search(model, task, tmp_path / 'out', budget)
    return tmp_path / 'out' / task.benchmark.name / 'tiny.search'

  return run_search


def content(folder):
  return json.loads((folder / 'search.json').read_text())


def times_of_writing(folder):
  """Returns the modification time of each result file."""
  return {path: path.stat().st_mtime_ns for path in folder.glob('*/*.txt')}


@pytest.mark.parametrize('name', ['siamban', 'siamfc'])
def test_candidates_fill_the_spans_of_the_tracker(name):
  tracker = trackers.make(name)
  model = Model(name, tracker, {}, OWN)
  tried = search.candidates(model, Budget(64))
  assert len(tried) == 64
  own, *others = tried.values()
  assert own is OWN
  for field, (low, high) in tracker.hparam_spans.items():
    values = np.array([getattr(each, field) for each in others])
    assert low <= values.min() < low + 0.1 * (high - low)
    assert high - 0.1 * (high - low) < values.max() <= high
  # Hyper-parameters that are not searched keep the model's values.
  assert {each.lost_score for each in others} == {0.5}


def test_a_larger_budget_extends_a_smaller_one_and_a_seed_changes_all():
  model = Model('any', trackers.make('siamban'), {}, OWN)
  few, many, others = (
    list(search.candidates(model, budget))
    for budget in (Budget(5), Budget(9), Budget(9, seed=1))
  )
  assert many[:5] == few
  assert set(many) & set(others) == set(many[:1])


def test_a_box_that_is_not_finite_stops_the_search(run_search):
  hparams = Hparams(0.1, 0.4, np.nan, 0.5)
  with pytest.raises(
    ValueError, match='the tracker returned a box that is not'
  ):
    run_search(Budget(1), hparams=hparams)


def test_evaluate_reproduces_the_results_of_a_candidate(
  run_search, run_command, tiny_run, sequences, tmp_path, monkeypatch
):
  programs = Programs()
  monkeypatch.setattr(search, 'Programs', lambda: programs)
  # Three candidates run in four lanes, then the last one in a single lane: four
  # programs for each number of lanes, and two that start a target.
  folder = run_search(Budget(4, lanes=3))
  assert len(programs) == 2 * 4 + 2
  # The best values include hyper-parameters that are not searched.
  name, lost_score = content(folder)['best'].rsplit(',', 1)
  assert lost_score == 'lost_score=0.5'
  assert name in {path.name for path in folder.iterdir() if path.is_dir()}
  code, _, errors = run_command(
    evaluate,
    f'--checkpoint={tiny_run}',
    '--benchmark=folder',
    f'--data_dir={sequences}',
    f'--out={tmp_path}',
    f'--hparams={name},lost_score=0.5',
  )
  assert code == 0, errors
  (own,) = (tmp_path / 'folder').glob('tiny-*')
  for path in own.glob('*.txt'):
    # Only the order of float32 sums differs, so boxes agree to 1e-3 px.
    np.testing.assert_allclose(
      read_boxes(folder / name / path.name), read_boxes(path), atol=1e-3
    )
  scores = json.loads((tmp_path / 'scores.json').read_text())
  assert content(folder)['candidates'][name]['success_auc'] == pytest.approx(
    scores['trackers'][own.name]['success_auc'], abs=1e-6
  )


def test_candidates_are_ranked_including_the_values_of_the_checkpoint(
  run_search, capsys
):
  folder = run_search(Budget(4))
  written = content(folder)
  success = [each['success_auc'] for each in written['candidates'].values()]
  assert success == sorted(success, reverse=True)
  best = next(iter(written['candidates']))
  assert written['best'] == f'{best},lost_score=0.5'
  own = 'penalty_k=0.1,window_influence=0.4,size_lr=0.4'
  assert written['given'] == own
  assert own in written['candidates']
  rows = (folder / 'search.csv').read_text().splitlines()
  assert rows[0].startswith('penalty_k,window_influence,size_lr,success')
  assert len(rows) == 5
  assert (folder / 'search.png').stat().st_size > 0
  printed = capsys.readouterr().out
  assert f'best: --hparams={written["best"]}' in printed
  assert 'values of the checkpoint: rank' in printed


def test_existing_results_are_not_computed_again(run_search, folder_task):
  # After an interrupt, two candidates have results of one sequence.
  first = dataclasses.replace(folder_task, sequences=folder_task.sequences[:1])
  folder = run_search(Budget(2), first)
  before = times_of_writing(folder)
  assert len(before) == 2
  after = times_of_writing(run_search(Budget(4)))
  assert after.items() >= before.items()
  assert len(after) == 8
  assert times_of_writing(run_search(Budget(4))) == after


def test_results_of_other_hyper_parameters_in_the_folder_are_refused(
  run_search,
):
  run_search(Budget(2))
  with pytest.raises(ValueError, match='has results of another tracker'):
    run_search(Budget(2), hparams=OWN.replace(lost_score=0.1))


def test_a_search_on_a_test_set_warns(run_search, caplog, sequences, tmp_path):
  run_search(Budget(1))
  assert not caplog.records
  root = shutil.copytree(sequences, tmp_path / 'DTB70')
  for name, folder in zip(('Animal1', 'BMX2'), root.glob('*'), strict=True):
    (folder / 'groundtruth.txt').rename(folder / 'groundtruth_rect.txt')
    folder.rename(root / name)
  benchmark = benchmarks.get('dtb70')
  task = Task(benchmark, root, benchmarks.sequences(benchmark, root))
  run_search(Budget(1), task)
  assert 'dtb70 is a test set' in caplog.text


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('got10k_test', 'only its server has the annotations'),
    ('vot2018', 'a search supports one-pass evaluation but not VOT'),
  ],
)
def test_a_benchmark_that_cannot_be_searched_is_refused(
  run_search, folder_task, tmp_path, name, message
):
  task = dataclasses.replace(folder_task, benchmark=benchmarks.get(name))
  message = f'{name}: hyper-parameters cannot be .* because {message}'
  with pytest.raises(ValueError, match=message):
    run_search(Budget(), task)
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--budget=3'], '--budget: only used with --search; add --search or'),
    (['--seed=0'], '--seed: only used with --search'),
    (['--search', '--budget=0'], '--budget=0: give at least 1'),
    (['--search', '--lanes=0'], '--lanes=0: give at least 1'),
    (['--search', '--seed=-1'], '--seed=-1: give at least 0'),
    (['--search', '--baseline=mil'], '--baseline: baselines have no hyper-p'),
  ],
)
def test_an_invalid_request_is_refused_in_one_line(
  refuse, tiny_run, sequences, tmp_path, flags, message
):
  refuse(
    evaluate,
    f'--checkpoint={tiny_run}',
    '--benchmark=folder',
    f'--data_dir={sequences}',
    f'--out={tmp_path / "out"}',
    *flags,
    message=message,
  )
  assert not (tmp_path / 'out').exists()
