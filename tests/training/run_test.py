"""A training run: resuming, stopping, phases, and what it writes."""

import copy
import json
import signal

import jax
import numpy as np
import pytest

from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.model import Model
from acm_jax.training import checkpoints, trained, workdir
from acm_jax.training.log import Diverged
from acm_jax.training.teacher import Teacher, with_fingerprint
from tests import variables
from tests.training import fakes


@pytest.fixture
def config():
  return copy.deepcopy(fakes.PLAN)


def state_of(run):
  """Returns the steps of all checkpoints and the arrays of the newest one."""
  with checkpoints.Checkpoints(run) as saved:
    parts = saved.read(saved.steps[-1], {'model': None, 'progress': None})
    return saved.steps, jax.tree.leaves(jax.device_get(parts))


def rows(run):
  lines = (run / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


def losses(run):
  return {row['step']: row['loss'] for row in rows(run)}


def test_a_resumed_run_equals_an_uninterrupted_one(config, tmp_path):
  config['train']['ema_decay'] = 0.9
  fakes.train(config, tmp_path / 'straight')
  for stop in (3, 6):
    with pytest.raises(KeyboardInterrupt) as caught:
      fakes.train(config, tmp_path / 'broken', batches=fakes.Batches(stop))
    assert caught.value.args == (signal.SIGTERM,)
  # A killed run leaves rows after its last checkpoint, and an incomplete row.
  with (tmp_path / 'broken' / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 7, "loss": 5.0}\n{"step": 8, "lo')
  fakes.train(config, tmp_path / 'broken')
  steps, straight = state_of(tmp_path / 'straight')
  assert steps == (8,)
  steps, broken = state_of(tmp_path / 'broken')
  assert steps == (6, 8)
  for a, b in zip(straight, broken, strict=True):
    np.testing.assert_array_equal(a, b)
  assert losses(tmp_path / 'broken') == losses(tmp_path / 'straight')
  assert sorted(losses(tmp_path / 'broken')) == list(range(1, 9))


@pytest.mark.parametrize('number', [signal.SIGHUP, signal.SIGINT])
def test_every_signal_saves_the_last_step(config, tmp_path, number):
  # A program that runs in the background, as tests may, ignores some signals.
  before = signal.signal(number, signal.default_int_handler)
  try:
    with pytest.raises(KeyboardInterrupt) as caught:
      fakes.train(config, tmp_path, batches=fakes.Batches(3, number))
  finally:
    signal.signal(number, before)
  assert caught.value.args == (number,)
  assert state_of(tmp_path)[0] == (3,)


def test_an_ignored_signal_does_not_end_a_run(config, tmp_path):
  # As under nohup.
  before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
  try:
    fakes.train(config, tmp_path, batches=fakes.Batches(3, signal.SIGHUP))
  finally:
    signal.signal(signal.SIGHUP, before)
  assert state_of(tmp_path)[0] == (8,)


def test_if_data_are_lost_the_steps_so_far_are_saved(config, tmp_path):
  with pytest.raises(ValueError, match='batch 5 is damaged'):
    fakes.train(config, tmp_path / 'broken', batches=fakes.Batches(lost=5))
  assert state_of(tmp_path / 'broken')[0] == (5,)
  # The same command goes on when the data are back.
  fakes.train(config, tmp_path / 'broken')
  fakes.train(config, tmp_path / 'straight')
  _, straight = state_of(tmp_path / 'straight')
  _, broken = state_of(tmp_path / 'broken')
  for one, other in zip(straight, broken, strict=True):
    np.testing.assert_array_equal(one, other)


def test_only_training_removes_what_a_killed_process_has_left(config, tmp_path):
  left = tmp_path / 'checkpoints' / '3.orbax-checkpoint-tmp'
  config['train']['epochs'] = 2
  fakes.train(config, tmp_path)
  left.mkdir()
  trained.read(tmp_path)
  assert left.exists()
  fakes.train(config, tmp_path)
  assert not left.exists()


def test_two_phases_compile_exactly_two_steps(config, tmp_path):
  tracker = fakes.FakeTracker()
  fakes.train(config, tmp_path, tracker=tracker)
  assert len(tracker.traces) == 2


def test_ten_consecutive_bad_batches_stop_the_run(config, tmp_path, caplog):
  config['train']['pairs_per_epoch'] = 80
  config['checkpoints']['every'] = 5
  batches = fakes.Batches(broken=range(3, 40))
  with pytest.raises(Diverged, match='step 13: 10 consecutive steps were'):
    fakes.train(config, tmp_path, batches=batches)
  assert 'step 4 skipped' in caplog.text
  assert '[[0, 0], [0, 1]' in caplog.text
  row = rows(tmp_path)[-1]
  assert (row['step'], row['loss'], row['skipped']) == (12, None, 9)
  steps, saved = state_of(tmp_path)
  assert steps == (5, 10)
  assert all(np.isfinite(leaf).all() for leaf in saved)


def test_a_few_bad_batches_are_skipped(config, tmp_path):
  config['log']['every'] = 4
  fakes.train(config, tmp_path, batches=fakes.Batches(broken=range(2, 4)))
  first, last = rows(tmp_path)
  assert first['skipped_in_a_row'] == 2
  assert last['skipped'] == 2
  assert first['loss'] > 0


def test_resuming_with_another_config_is_refused(config, tmp_path):
  config['train']['epochs'] = 2
  fakes.train(config, tmp_path)
  before = (tmp_path / 'config.json').read_text()
  config['optimizer']['momentum'] = 0.8
  config['log']['every'] = 2
  with pytest.raises(ValueError, match=r'momentum \(was 0.9, now 0.8\)'):
    fakes.train(config, tmp_path)
  assert (tmp_path / 'config.json').read_text() == before
  assert not list(tmp_path.glob('config.until*'))


def test_an_extended_run_equals_one_that_had_all_epochs_from_the_start(
  config, tmp_path, capsys
):
  straight, extended = tmp_path / 'straight', tmp_path / 'extended'
  fakes.train(config, straight)
  config['train']['epochs'] = 2
  fakes.train(config, extended)
  before = workdir.read_config(extended)
  capsys.readouterr()
  config['train']['epochs'] = 4
  config['hparams']['penalty_k'] = 0.2
  fakes.train(config, extended)
  assert (
    'from step 4 on: hparams.penalty_k (was 0.1, now 0.2), '
    'train.epochs (was 2, now 4)\n'
  ) in capsys.readouterr().out
  for one, other in zip(
    state_of(straight)[1], state_of(extended)[1], strict=True
  ):
    np.testing.assert_array_equal(one, other)
  assert losses(extended) == losses(straight)
  assert workdir.read_config(extended) == config
  assert json.loads((extended / 'config.until_4.json').read_text()) == (
    json.loads(json.dumps(before))
  )


def test_the_best_checkpoint_is_chosen_anew_when_tracking_has_changed(
  config, tmp_path
):
  validator = fakes.FakeValidator(0.9, 0.8, 0.3)
  config['train']['epochs'] = 2
  fakes.train(config, tmp_path, validator=validator)
  config['train']['epochs'] = 4
  config['hparams']['penalty_k'] = 0.2
  fakes.train(config, tmp_path, validator=validator)
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert saved.best == 8


def test_a_run_starts_from_the_weights_of_another_run(config, tmp_path, capsys):
  config['train'].update(epochs=1, pairs_per_epoch=8)
  config['schedule']['warmup_epochs'] = 0
  source = variables.fill(fakes.FakeTracker().init_variables, seed=3)
  fakes.train(config, tmp_path, source=source)
  assert 'backbone 6/6, head 6/6' in capsys.readouterr().out
  _, after = trained.read(tmp_path)
  # The first phase freezes the backbone.
  jax.tree.map(
    np.testing.assert_array_equal,
    after['params']['backbone'],
    source['params']['backbone'],
  )


def test_a_teacher_adds_to_the_loss(config, tmp_path):
  config['train']['epochs'] = 2
  fakes.train(config, tmp_path, teacher=make_teacher(1, 0.5))
  for row in rows(tmp_path):
    parts = row['loss_map'] + row['loss_mask'] + 0.5 * row['loss_teacher_cls']
    assert row['loss'] == pytest.approx(parts, rel=1e-6)


def test_start_and_every_checkpoint_are_validated_and_the_best_is_kept(
  config, tmp_path, capsys
):
  validator = fakes.FakeValidator(0.2, 0.3, 0.9, 0.5, 0.4)
  config['train']['ema_decay'] = 0.9
  config['checkpoints'].update(every=2, keep=1)
  config['log']['every'] = 8
  with pytest.raises(KeyboardInterrupt):
    fakes.train(config, tmp_path, batches=fakes.Batches(5), validator=validator)
  fakes.train(config, tmp_path, validator=validator)
  name = checkpoints.CRITERION
  overlaps = [(r['step'], r[name]) for r in rows(tmp_path) if name in r]
  assert overlaps == [(0, 0.2), (2, 0.3), (4, 0.9), (6, 0.5), (8, 0.4)]
  assert 'overlap 0.4000' in capsys.readouterr().out
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert (saved.best, saved.steps) == (4, (4, 8))
  # Validation measures the averaged variables, which tracking also reads.
  for suffix, measured in (('@best', 2), ('', 4)):
    _, read = trained.read(f'{tmp_path}{suffix}')
    jax.tree.map(
      np.testing.assert_array_equal, read, validator.measured[measured]
    )


@pytest.fixture
def patient(config):
  """Returns a config of 16 steps that are validated every 2 steps."""
  config['train']['epochs'] = 8
  config['checkpoints'].update(every=2, keep=1)
  config['validation'] = {
    'benchmark': 'folder',
    'sequences': ('a', 'b'),
    'patience': 2,
  }
  return config


def test_a_run_stops_when_validations_have_not_improved_for_too_long(
  patient, tmp_path, capsys
):
  # A single worse validation does not stop the run.
  validator = fakes.FakeValidator(0.2, 0.1, 0.6, 0.5, 0.4)
  fakes.train(patient, tmp_path, validator=validator)
  assert 'stopped early at step 8: no valid' in capsys.readouterr().out
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert (saved.best, saved.steps) == (4, (4, 8))


def test_a_run_whose_first_weights_stay_the_best_stops_too(patient, tmp_path):
  fakes.train(patient, tmp_path, validator=fakes.FakeValidator(0.5, 0.4, 0.3))
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert (saved.best, saved.steps) == (0, (0, 4))


def test_a_resumed_run_counts_the_validations_before_it_was_interrupted(
  patient, tmp_path
):
  validator = fakes.FakeValidator(0.2, 0.6, 0.5, 0.4)
  with pytest.raises(KeyboardInterrupt):
    fakes.train(
      patient, tmp_path, batches=fakes.Batches(5), validator=validator
    )
  fakes.train(patient, tmp_path, validator=validator)
  assert state_of(tmp_path)[0] == (2, 6)


def test_a_run_that_stopped_early_goes_on_only_with_more_patience(
  patient, tmp_path
):
  validator = fakes.FakeValidator(0.6, 0.5, 0.4, 0.3)
  fakes.train(patient, tmp_path, validator=validator)
  fakes.train(patient, tmp_path, validator=validator)
  assert len(validator.measured) == 3
  patient['validation']['patience'] = 3
  fakes.train(patient, tmp_path, validator=validator)
  assert len(validator.measured) == 4


@pytest.mark.parametrize('step', [4, 8], ids=['due', 'last'])
def test_the_last_step_before_a_signal_is_validated_if_due(
  config, tmp_path, step
):
  validator = fakes.FakeValidator(0.2, 0.3, 0.4, 0.5, 0.6)
  config['checkpoints']['every'] = 2
  with pytest.raises(KeyboardInterrupt):
    fakes.train(
      config, tmp_path, batches=fakes.Batches(step), validator=validator
    )
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert saved.best == saved.steps[-1] == step


def test_a_run_does_not_resume_with_another_teacher(config, tmp_path):
  config['teacher'] = {'cls': 1.0}
  first, other = (make_teacher(seed, 1.0) for seed in (1, 2))
  for teacher, fits in ((first, True), (first, True), (other, False)):
    sections = with_fingerprint(config, teacher)
    if fits:
      fakes.train(sections, tmp_path, teacher=teacher)
      continue
    with pytest.raises(ValueError, match=r'another config: teacher\.fingerpr'):
      fakes.train(sections, tmp_path, teacher=teacher)


def make_teacher(seed, weight):
  tracker = fakes.FakeTracker()
  hparams = Hparams(**fakes.PLAN['hparams'])
  filled = variables.fill(tracker.init_variables, seed=seed)
  return Teacher(Model('other', tracker, filled, hparams), {'cls': weight})
