"""The search of hyper-parameters: what is tried, kept and ranked."""

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
from acm_jax.tracking.engine import Programs
from acm_jax.tracking.model import Model

FOLDER = benchmarks.get('folder')
GIVEN = Hparams(0.1, 0.4, 0.4, 0.5)


@pytest.fixture
def hunt(tiny_model, sequences, tmp_path):
  """Searches on the synthetic sequences; gives the folder of what it made."""

  def hunt(benchmark=FOLDER, root=sequences, found=None, given=GIVEN, **budget):
    found = benchmarks.sequences(FOLDER, sequences) if found is None else found
    model = dataclasses.replace(tiny_model, hparams=given)
    task = Task(benchmark, root, found)
    search.search(model, task, tmp_path / 'out', Budget(**budget))
    return tmp_path / 'out' / benchmark.name / 'tiny.search'

  return hunt


def content(folder):
  return json.loads((folder / 'search.json').read_text())


def files(folder):
  """When each result was written."""
  return {path: path.stat().st_mtime_ns for path in folder.glob('*/*.txt')}


@pytest.mark.parametrize('name', ['siamban', 'siamfc'])
def test_candidates_lie_in_the_trackers_spans(name):
  tracker = trackers.make(name)
  model = Model(name, tracker, {}, GIVEN)
  tried = search.candidates(model, Budget(64))
  assert len(tried) == 64
  given, *others = tried.values()
  assert given is GIVEN
  for field, (low, high) in tracker.hparam_spans.items():
    values = np.array([getattr(each, field) for each in others])
    assert low <= values.min() < low + 0.1 * (high - low)
    assert high - 0.1 * (high - low) < values.max() <= high
  # What is not searched is as given.
  assert {each.lost_score for each in others} == {0.5}


def test_a_larger_budget_goes_on_and_a_seed_begins_anew():
  model = Model('any', trackers.make('siamban'), {}, GIVEN)
  few, many, others = (
    list(search.candidates(model, Budget(*given)))
    for given in ((5,), (9,), (9, 1))
  )
  assert many[:5] == few
  assert set(many) & set(others) == set(many[:1])


def test_a_candidate_finds_what_evaluate_finds_with_its_values(
  hunt, run_command, tiny_run, sequences, tmp_path, monkeypatch
):
  programs = Programs()
  monkeypatch.setattr(search, 'Programs', lambda: programs)
  # Three at once in four lanes, then the last one in one: two programs of both
  # numbers, and that which starts a target.
  folder = hunt(candidates=4, at_once=3)
  assert len(programs) == 5
  # What is not searched is said, too.
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
    np.testing.assert_allclose(
      read_boxes(folder / name / path.name), read_boxes(path), atol=1e-3
    )
  scores = json.loads((tmp_path / 'scores.json').read_text())
  assert content(folder)['candidates'][name]['success_auc'] == pytest.approx(
    scores['trackers'][own.name]['success_auc'], abs=1e-6
  )


def test_candidates_are_ranked_and_the_given_values_among_them(hunt, capsys):
  folder = hunt(candidates=4)
  found = content(folder)
  success = [each['success_auc'] for each in found['candidates'].values()]
  assert success == sorted(success, reverse=True)
  best = next(iter(found['candidates']))
  assert found['best'] == f'{best},lost_score=0.5'
  given = 'penalty_k=0.1,window_influence=0.4,size_lr=0.4'
  assert found['given'] == given
  assert given in found['candidates']
  rows = (folder / 'search.csv').read_text().splitlines()
  assert rows[0].startswith('penalty_k,window_influence,size_lr,success')
  assert len(rows) == 5
  assert (folder / 'search.png').stat().st_size > 0
  told = capsys.readouterr().out
  assert f'best: --hparams={found["best"]}' in told
  assert 'given values: place' in told


def test_what_is_there_is_not_done_again(hunt, sequences):
  found = benchmarks.sequences(FOLDER, sequences)
  # As if interrupted: one sequence of two candidates.
  folder = hunt(candidates=2, found=found[:1])
  before = files(folder)
  assert len(before) == 2
  assert files(hunt(candidates=4)).items() >= before.items()
  before = files(folder)
  assert len(before) == 8
  assert files(hunt(candidates=4)) == before


def test_results_of_other_weights_are_not_mixed_with(hunt):
  hunt(candidates=2)
  with pytest.raises(ValueError, match='has results of another tracker'):
    hunt(candidates=2, given=GIVEN.replace(lost_score=0.1))


def test_a_test_set_is_warned_of(hunt, caplog, sequences, tmp_path):
  hunt(candidates=1)
  assert not caplog.records
  root = shutil.copytree(sequences, tmp_path / 'DTB70')
  for name, folder in zip(('Animal1', 'BMX2'), root.glob('*'), strict=True):
    (folder / 'groundtruth.txt').rename(folder / 'groundtruth_rect.txt')
    folder.rename(root / name)
  benchmark = benchmarks.get('dtb70')
  found = benchmarks.sequences(benchmark, root)
  hunt(candidates=1, benchmark=benchmark, found=found, root=root)
  assert 'dtb70 is a test set' in caplog.text


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('got10k_test', 'only its server has the annotations'),
    ('vot2018', 'candidates are followed in one pass'),
  ],
)
def test_a_benchmark_without_success_is_refused(hunt, name, message, tmp_path):
  with pytest.raises(ValueError, match=f'not on {name}, {message}'):
    hunt(benchmark=benchmarks.get(name))
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--budget=3'], '--budget: only with --search'),
    (['--seed=0'], '--seed: only with --search'),
    (['--search', '--budget=0'], '--budget=0: at least 1'),
    (['--search', '--lanes=0'], '--lanes=0: at least 1'),
    (['--search', '--seed=-1'], '--seed=-1: at least 0'),
    (['--search', '--baseline=mil'], '--baseline: has no hyper-parameters'),
  ],
)
def test_a_wrong_request_is_one_line(
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
