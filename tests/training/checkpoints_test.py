"""Checkpoints: what is saved comes back, what is broken is named."""

import json
import resource
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.training import checkpoints as ckpt
from acm_jax.training import optimizer, sharding, state, workdir

CONFIG = {'tracker': {'name': 'fake', 'levels': (2, 3)}, 'train': {'seed': 0}}
RATES = (('backbone/', 0.0), ('', 1.0))


def make_state(step=3):
  params = {
    'backbone': {'w': jnp.arange(6.0).reshape(2, 3)},
    'head': {'w': jnp.full(4, float(step))},
  }
  variables = {'params': params, 'batch_stats': {'head': {'mean': jnp.ones(4)}}}
  sgd = optimizer.Sgd(momentum=0.9, weight_decay=0.0, clip_norm=1.0)
  return state.create(variables, sgd.of(params, RATES)).replace(
    step=jnp.array(step)
  )


@pytest.fixture
def run(tmp_path):
  folder = tmp_path / 'run'
  workdir.claim(folder, CONFIG)
  with ckpt.Checkpoints(folder, keep=2) as checkpoints:
    for step in (1, 3, 5):
      checkpoints.save(make_state(step))
  return folder


def test_a_state_comes_back_into_the_shardings_that_are_asked_for(run):
  everywhere = sharding.replicated(sharding.make_mesh())
  like = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=everywhere),
    make_state(),
  )
  with ckpt.Checkpoints(run) as checkpoints:
    restored = checkpoints.restore(5, like)
  jax.tree.map(np.testing.assert_array_equal, restored, make_state(5))
  assert all(x.sharding == everywhere for x in jax.tree.leaves(restored))


def test_tracking_reads_the_average_and_a_resumed_run_both(tmp_path):
  workdir.claim(tmp_path, CONFIG)
  raw = make_state(4)
  saved = raw.replace(average=jax.tree.map(lambda x: x / 2, raw.variables))
  with ckpt.Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(saved)
  with ckpt.Checkpoints(tmp_path) as checkpoints:
    restored = checkpoints.restore(4, saved)
  jax.tree.map(np.testing.assert_array_equal, restored, saved)
  _, variables = ckpt.load_variables(tmp_path)
  jax.tree.map(np.testing.assert_array_equal, variables, saved.average)


def test_the_newest_are_kept_and_a_saved_step_is_not_saved_again(run):
  with ckpt.Checkpoints(run, keep=2) as checkpoints:
    checkpoints.save(make_state(5))
    assert checkpoints.steps == (3, 5)


def test_the_best_is_kept_beside_the_newest_also_by_a_resumed_run(tmp_path):
  workdir.claim(tmp_path, CONFIG)
  overlaps = {1: 0.3, 2: 0.7, 3: 0.7, 4: 0.5, 5: None, 6: 0.6, 7: 0.1}
  for part in ((1, 2, 3), (4, 5), (6, 7)):
    with ckpt.Checkpoints(tmp_path, keep=2) as checkpoints:
      for step in part:
        overlap = overlaps[step]
        figures = None if overlap is None else {ckpt.CRITERION: overlap}
        checkpoints.save(make_state(step), figures)
  with ckpt.Checkpoints(tmp_path, keep=2) as checkpoints:
    # Of equals the newest.
    assert checkpoints.best == 3
    assert checkpoints.steps == (3, 6, 7)
  config, variables = ckpt.load_variables(f'{tmp_path}@best')
  assert config == CONFIG
  jax.tree.map(
    np.testing.assert_array_equal, variables, make_state(3).variables
  )


@pytest.mark.parametrize('former', ['of other sequences', ''])
def test_the_best_is_of_those_that_were_measured_as_the_newest(
  tmp_path, monkeypatch, former
):
  def save(overlaps, measured):
    with ckpt.Checkpoints(tmp_path, 1, measured) as checkpoints:
      for step, overlap in overlaps.items():
        checkpoints.save(make_state(step), {ckpt.CRITERION: overlap})
      return checkpoints.best

  with monkeypatch.context() as patch:
    if not former:
      # Those of former code do not say how they were measured.
      patch.setattr(ckpt, '_MEASURED', 'nothing')
    assert save({1: 0.9, 2: 0.5}, former) == 1
  best = save({3: 0.3, 4: 0.4, 5: 0.2}, 'of these')
  with ckpt.Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.best == best == (4 if former else 1)
    assert checkpoints.steps == (best, 5)


def test_a_run_that_was_not_validated_has_no_best(run):
  with pytest.raises(
    ValueError, match='no checkpoint was validated; there are'
  ):
    ckpt.load_variables(f'{run}@best')


@pytest.mark.parametrize(('suffix', 'step'), [('', 5), ('@3', 3)])
def test_tracking_loads_the_config_and_the_variables(run, suffix, step):
  config, variables = ckpt.load_variables(f'{run}{suffix}')
  assert config == CONFIG
  expected = make_state(step)
  jax.tree.map(
    np.testing.assert_array_equal,
    variables,
    {'params': expected.params, 'batch_stats': expected.batch_stats},
  )


def test_a_step_that_is_not_there_is_refused_with_those_that_are(run):
  with pytest.raises(ValueError, match='no step 4, but 3, 5'):
    ckpt.load_variables(f'{run}@4')


def test_a_full_disk_is_work_that_failed(run):
  big = np.random.default_rng(0).standard_normal((400, 400))
  state = make_state(7).replace(params={'w': jnp.asarray(big)})
  handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  # A limit on a file's size fails the writes as a full disk does.
  resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
  try:
    with (
      pytest.raises(RuntimeError, match='cannot be written: is the disk full'),
      ckpt.Checkpoints(run) as checkpoints,
    ):
      checkpoints.save(state)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)
  with ckpt.Checkpoints(run) as checkpoints:
    assert checkpoints.steps == (3, 5)


def break_nothing_there(run):
  shutil.rmtree(run)


def break_empty(run):
  shutil.rmtree(run)
  run.mkdir()


def break_unfinished(run):
  shutil.rmtree(run / 'checkpoints' / '3')
  target = run / 'checkpoints' / '5.orbax-checkpoint-tmp-0'
  (run / 'checkpoints' / '5').rename(target)


def break_config(run):
  (run / 'config.json').write_text('{"tracker"')


def break_part_missing(run):
  shutil.rmtree(run / 'checkpoints' / '5' / 'model')


def break_data_missing(run):
  for path in (run / 'checkpoints' / '5' / 'model').rglob('d/*'):
    path.unlink()


@pytest.mark.parametrize(
  ('break_it', 'error', 'message'),
  [
    (break_nothing_there, FileNotFoundError, 'run: no such folder'),
    (break_empty, FileNotFoundError, r'no config.json in it; give'),
    (break_unfinished, FileNotFoundError, 'no finished checkpoint'),
    (break_config, ValueError, r'config.json: not JSON'),
    (break_part_missing, ValueError, '5: the checkpoint is incomplete'),
    (break_data_missing, ValueError, '5: the checkpoint is incomplete'),
  ],
  ids=lambda value: getattr(value, '__name__', ''),
)
def test_a_folder_that_is_broken_is_named(run, break_it, error, message):
  break_it(run)
  with pytest.raises(error, match=message) as caught:
    ckpt.load_variables(run)
  assert len(str(caught.value).splitlines()) == 1


def test_a_state_of_another_network_is_refused(run):
  other = make_state().replace(params={'head': {'w': jnp.ones(7)}})
  with (
    ckpt.Checkpoints(run) as checkpoints,
    pytest.raises(ValueError, match='of another network'),
  ):
    checkpoints.restore(5, other)


def test_the_same_config_is_let_in_again_and_another_is_not(run):
  workdir.claim(run, json.loads(json.dumps(CONFIG)))
  other = {'tracker': {'name': 'fake', 'levels': (2,)}, 'train': {'size': 1}}
  with pytest.raises(ValueError, match='another config') as caught:
    workdir.claim(run, other)
  for change in (
    'tracker.levels ((2, 3) there, (2,) asked for)',
    'train.size (absent there, 1 asked for)',
    'train.seed (0 there, absent asked for)',
  ):
    assert change in str(caught.value)


@pytest.mark.parametrize('change', [{'workers': 4}, {}], ids=['set', 'absent'])
def test_a_run_goes_on_with_another_number_of_workers(tmp_path, change):
  data = {'source': 'memory', 'workers': 0}
  workdir.claim(tmp_path, {'data': data})
  workdir.claim(tmp_path, {'data': {'source': 'memory', **change}})
  assert workdir.read_config(tmp_path)['data'].get('workers') == (
    change.get('workers')
  )


def test_the_config_of_the_steps_before_stays(tmp_path):
  for every, step in ((1, None), (2, None), (3, 6), (4, 6), (5, 8), (5, 9)):
    changed = workdir.claim(tmp_path, {'log': {'every': every}}, step)
  assert changed == ''
  kept = {
    path.name: json.loads(path.read_text())['log']['every']
    for path in tmp_path.glob('*.json')
  }
  assert kept == {
    'config.json': 5,
    # Of the two of step 6 no step was taken by the other.
    'config.until_6.json': 2,
    'config.until_8.json': 4,
  }


def test_the_newest_step_is_found_without_opening_the_folder(run, tmp_path):
  assert ckpt.newest_step(run) == 5
  assert ckpt.newest_step(tmp_path / 'new') is None
  assert not (tmp_path / 'new').exists()
