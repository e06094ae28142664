"""The loop: resuming, stopping, phases, what is written."""

import copy
import json

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from acm_jax import trackers
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.model import Model
from acm_jax.training import (
  checkpoints,
  data,
  loop,
  sharding,
  validation,
  workdir,
)
from acm_jax.training.teacher import Teacher
from data_pipelines import clip_set
from data_pipelines.pipeline import DataSet
from tests import variables
from tests.training import fakes


@pytest.fixture
def source(monkeypatch):
  monkeypatch.setattr(loop, 'train_batches', source := fakes.Source())
  monkeypatch.setattr(data, 'check_scale', lambda *_: None)
  return source


@pytest.fixture
def tracker(monkeypatch):
  tracker = fakes.FakeTracker()
  monkeypatch.setattr(trackers, 'make', lambda **_: tracker)
  return tracker


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
  """Compiles faster; that eight are the same is tested of the step."""
  monkeypatch.setattr(sharding, 'make_mesh', fakes.one_device)


@pytest.fixture
def config():
  config = ConfigDict(copy.deepcopy(fakes.PLAN))
  config.train.ema_decay = 0.0
  return config


def state_of(run):
  """All arrays of a run's newest checkpoint, by path."""
  with checkpoints.Checkpoints(run) as saved:
    parts = saved.read(saved.steps[-1], {'model': None, 'progress': None})
    return saved.steps, jax.tree.leaves(jax.device_get(parts))


def rows(run):
  lines = (run / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


def losses(run):
  return {row['step']: row['loss'] for row in rows(run)}


@pytest.mark.usefixtures('tracker')
def test_a_resumed_run_equals_one_without_a_break(source, config, tmp_path):
  config.train.ema_decay = 0.9
  loop.train(config, tmp_path / 'straight')
  for stop in (3, 6):
    source.kill_after = stop
    with pytest.raises(KeyboardInterrupt):
      loop.train(config, tmp_path / 'broken')
  # A killed run leaves rows beyond its checkpoint, and the end of one.
  with (tmp_path / 'broken' / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 7, "loss": 5.0}\n{"step": 8, "lo')
  loop.train(config, tmp_path / 'broken')
  steps, straight = state_of(tmp_path / 'straight')
  assert steps == (8,)
  steps, broken = state_of(tmp_path / 'broken')
  assert steps == (6, 8)
  for a, b in zip(straight, broken, strict=True):
    np.testing.assert_array_equal(a, b)
  assert losses(tmp_path / 'broken') == losses(tmp_path / 'straight')
  assert sorted(losses(tmp_path / 'broken')) == list(range(1, 9))


@pytest.mark.usefixtures('source')
def test_the_two_phases_are_two_compiled_steps_and_no_more(
  tracker, config, tmp_path
):
  loop.train(config, tmp_path)
  assert len(tracker.traces) == 2


@pytest.mark.usefixtures('tracker')
def test_ten_bad_batches_in_a_row_stop_the_run(
  source, config, tmp_path, caplog
):
  config.train.pairs_per_epoch = 80
  config.checkpoints.every = 5
  source.broken = range(3, 40)
  with pytest.raises(RuntimeError, match='step 13: the numbers of 10 steps'):
    loop.train(config, tmp_path)
  assert 'step 4 skipped' in caplog.text
  assert '[[0, 0], [0, 1]' in caplog.text
  row = rows(tmp_path)[-1]
  assert (row['step'], row['loss'], row['skipped']) == (12, None, 9)
  steps, saved = state_of(tmp_path)
  assert steps == (5, 10)
  assert all(np.isfinite(leaf).all() for leaf in saved)


@pytest.mark.usefixtures('tracker')
def test_a_few_bad_batches_are_passed_over(source, config, tmp_path):
  config.log.every = 4
  source.broken = range(2, 4)
  loop.train(config, tmp_path)
  first, last = rows(tmp_path)
  assert first['skipped_in_a_row'] == 2
  assert last['skipped'] == 2
  assert first['loss'] > 0


@pytest.mark.usefixtures('source', 'tracker')
def test_a_folder_with_another_config_is_refused(config, tmp_path):
  config.train.epochs = 2
  loop.train(config, tmp_path)
  before = (tmp_path / 'config.json').read_text()
  config.update({'optimizer': {'momentum': 0.8}, 'log': {'every': 2}})
  # Before anything is loaded.
  with pytest.raises(ValueError, match=r'momentum \(0.9 there, 0.8 asked'):
    loop.train(config, tmp_path, init_from='nowhere')
  assert (tmp_path / 'config.json').read_text() == before
  assert not list(tmp_path.glob('config.until*'))


@pytest.mark.usefixtures('source', 'tracker')
def test_a_run_that_gets_more_epochs_equals_one_that_had_them(
  config, tmp_path, capsys
):
  straight, extended = tmp_path / 'straight', tmp_path / 'extended'
  loop.train(config, straight)
  config.train.epochs = 2
  loop.train(config, extended)
  before = workdir.read_config(extended)
  capsys.readouterr()
  config.update({'train': {'epochs': 4}, 'hparams': {'penalty_k': 0.2}})
  loop.train(config, extended)
  assert (
    'from step 4 on: hparams.penalty_k (0.1 there, 0.2 asked for), '
    'train.epochs (2 there, 4 asked for)\n'
  ) in capsys.readouterr().out
  for one, other in zip(
    state_of(straight)[1], state_of(extended)[1], strict=True
  ):
    np.testing.assert_array_equal(one, other)
  assert losses(extended) == losses(straight)
  assert workdir.read_config(extended) == config.to_dict()
  assert json.loads((extended / 'config.until_4.json').read_text()) == (
    json.loads(json.dumps(before))
  )


@pytest.mark.usefixtures('source', 'tracker')
def test_the_best_is_chosen_anew_when_tracking_has_changed(
  config, monkeypatch, tmp_path
):
  validator = fakes.FakeValidator(0.9, 0.8, 0.3)
  monkeypatch.setattr(validation, 'load', lambda *_: validator)
  config.train.epochs = 2
  loop.train(config, tmp_path)
  config.update({'train': {'epochs': 4}, 'hparams': {'penalty_k': 0.2}})
  loop.train(config, tmp_path)
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert saved.best == 8


@pytest.mark.usefixtures('source', 'tracker')
def test_a_run_begins_with_the_weights_of_another(config, tmp_path, capsys):
  config.train.epochs = 2
  loop.train(config, tmp_path / 'first')
  config.train.seed = 1
  loop.train(config, tmp_path / 'next', init_from=str(tmp_path / 'first'))
  assert 'backbone 6/6, head 6/6' in capsys.readouterr().out


@pytest.mark.usefixtures('source', 'tracker')
def test_a_run_imitates_another_one_and_needs_it_to_go_on(config, tmp_path):
  config.train.epochs = 2
  loop.train(config, tmp_path / 'first')
  config.teacher = {'cls': 0.5}
  loop.train(config, tmp_path / 'next', teacher=str(tmp_path / 'first'))
  for row in rows(tmp_path / 'next'):
    parts = row['loss_cls'] + row['loss_loc'] + 0.5 * row['loss_teacher_cls']
    assert row['loss'] == pytest.approx(parts, rel=1e-6)
  with pytest.raises(
    ValueError, match='give --teacher=DIR, also where the run'
  ):
    loop.train(config, tmp_path / 'next')


@pytest.mark.usefixtures('tracker')
def test_start_and_every_checkpoint_are_validated_and_the_best_is_kept(
  source, config, monkeypatch, tmp_path, capsys
):
  validator = fakes.FakeValidator(0.2, 0.3, 0.9, 0.5, 0.4)
  monkeypatch.setattr(validation, 'load', lambda *_: validator)
  config.train.ema_decay = 0.9
  config.checkpoints.update(every=2, keep=1)
  config.log.every = 8
  source.kill_after = 5
  with pytest.raises(KeyboardInterrupt):
    loop.train(config, tmp_path)
  loop.train(config, tmp_path)
  name = checkpoints.CRITERION
  overlaps = [(r['step'], r[name]) for r in rows(tmp_path) if name in r]
  assert overlaps == [(0, 0.2), (2, 0.3), (4, 0.9), (6, 0.5), (8, 0.4)]
  assert 'overlap 0.4000' in capsys.readouterr().out
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert (saved.best, saved.steps) == (4, (4, 8))
  # The average is measured, which tracking reads.
  for place, measured in (('@best', 2), ('', 4)):
    _, read = checkpoints.load_variables(f'{tmp_path}{place}')
    jax.tree.map(
      np.testing.assert_array_equal, read, validator.measured[measured]
    )


@pytest.mark.usefixtures('tracker')
@pytest.mark.parametrize('step', [4, 8], ids=['due', 'last'])
def test_a_step_of_the_signal_that_is_due_is_validated(
  source, config, monkeypatch, tmp_path, step
):
  validator = fakes.FakeValidator(0.2, 0.3, 0.4, 0.5, 0.6)
  monkeypatch.setattr(validation, 'load', lambda *_: validator)
  config.checkpoints.every = 2
  source.kill_after = step
  with pytest.raises(KeyboardInterrupt):
    loop.train(config, tmp_path)
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert saved.best == saved.steps[-1] == step


@pytest.mark.usefixtures('tracker')
def test_a_run_does_not_go_on_with_another_teacher(
  source, config, monkeypatch, tmp_path
):
  config.teacher = {'cls': 1.0}
  first, other = (fakes_teacher(seed) for seed in (1, 2))
  for teacher, fits in ((first, True), (first, True), (other, False)):
    monkeypatch.setattr(loop.teachers, 'load', lambda *_, t=teacher: t)
    if fits:
      loop.train(config, tmp_path)
      continue
    with pytest.raises(ValueError, match=r'another config: teacher\.fingerpr'):
      loop.train(config, tmp_path)


def fakes_teacher(seed):
  tracker = fakes.FakeTracker()
  hparams = Hparams(**fakes.PLAN['hparams'])
  filled = variables.fill(tracker.init_variables, seed=seed)
  return Teacher(Model('other', tracker, filled, hparams), {'cls': 1.0})


def test_sets_that_are_not_prepared_are_named_with_the_ways_on(tmp_path):
  sets = {'got10k': {}, 'lasot': {}, 'synthetic': {}}
  with pytest.raises(FileNotFoundError) as caught:
    data.find_sets(sets, tmp_path, tmp_path)
  message = str(caught.value)
  assert 'not prepared: got10k, lasot (looked in' in message
  assert 'acm-jax prepare --dataset NAME' in message
  assert ':quickstart' in message


def test_a_synthetic_set_of_another_scale_is_refused_before_it_is_made(
  tmp_path,
):
  sets = [DataSet(path=tmp_path / 'synthetic', weight=1.0, gap=1)]
  with pytest.raises(ValueError, match='template_size=127, the tracker 63'):
    data.check_scale(sets, template_size=63, context_amount=0.5)


@pytest.mark.parametrize(
  ('name', 'value'), [('template_size', 63), ('context_amount', 0.3)]
)
def test_sets_cut_at_another_scale_are_refused(tmp_path, name, value):
  scale = {'template_size': 127, 'context_amount': 0.5}
  manifest = {'version': clip_set.VERSION, **scale, name: value}
  (tmp_path / 'manifest.json').write_text(json.dumps(manifest))
  sets = [DataSet(path=tmp_path, weight=1.0, gap=1)]
  with pytest.raises(ValueError, match=f'{name}={value}, the tracker'):
    data.check_scale(sets, **scale)
