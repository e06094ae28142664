"""Checkpoints restore what was saved; damaged ones are refused."""

import json
import resource
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.training import checkpoints as ckpt
from acm_jax.training import optimizer, sharding, state, trained, workdir

CONFIG = {'tracker': {'name': 'fake', 'levels': (2, 3)}, 'train': {'seed': 0}}
RATES = (('backbone/', 0.0), ('', 1.0))


# Random bits cannot be compressed.
NOISE = np.random.default_rng(0).integers(0, 2**30, 10_000).astype(np.int32)


def make_state(step=3):
  params = {
    'backbone': {
      'w': jnp.arange(6.0).reshape(2, 3),
      'noise': jnp.asarray(NOISE.view(np.float32)),
    },
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


def test_a_state_is_restored_with_the_requested_shardings(run):
  everywhere = sharding.replicated(sharding.make_mesh())
  like = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=everywhere),
    make_state(),
  )
  with ckpt.Checkpoints(run) as checkpoints:
    restored = checkpoints.restore(5, like)
  jax.tree.map(np.testing.assert_array_equal, restored, make_state(5))
  assert all(x.sharding == everywhere for x in jax.tree.leaves(restored))


def test_tracking_reads_the_average_and_a_resumed_run_everything(tmp_path):
  workdir.claim(tmp_path, CONFIG)
  raw = make_state(4)
  saved = raw.replace(average=jax.tree.map(lambda x: x / 2, raw.variables))
  with ckpt.Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(saved)
  with ckpt.Checkpoints(tmp_path) as checkpoints:
    restored = checkpoints.restore(4, saved)
  jax.tree.map(np.testing.assert_array_equal, restored, saved)
  _, variables = trained.read(tmp_path)
  jax.tree.map(np.testing.assert_array_equal, variables, saved.average)


def test_the_newest_checkpoints_are_kept_and_no_step_is_saved_twice(run):
  with ckpt.Checkpoints(run, keep=2) as checkpoints:
    checkpoints.save(make_state(5))
    assert checkpoints.steps == (3, 5)


def test_the_best_is_kept_alongside_the_newest_even_by_a_resumed_run(tmp_path):
  workdir.claim(tmp_path, CONFIG)
  overlaps = {1: 0.3, 2: 0.7, 3: 0.7, 4: 0.5, 5: None, 6: 0.6, 7: 0.1}
  for part in ((1, 2, 3), (4, 5), (6, 7)):
    with ckpt.Checkpoints(tmp_path, keep=2) as checkpoints:
      for step in part:
        overlap = overlaps[step]
        figures = None if overlap is None else {ckpt.CRITERION: overlap}
        checkpoints.save(make_state(step), figures)
  with ckpt.Checkpoints(tmp_path, keep=2) as checkpoints:
    # Steps 2 and 3 are equally good; the newer one is the best.
    assert checkpoints.best == 3
    assert checkpoints.steps == (3, 6, 7)
  config, variables = trained.read(f'{tmp_path}@best')
  assert config == CONFIG
  jax.tree.map(
    np.testing.assert_array_equal, variables, make_state(3).variables
  )


@pytest.mark.parametrize('former', ['other settings', ''])
def test_the_best_is_chosen_among_those_measured_like_the_newest(
  tmp_path, monkeypatch, former
):
  def save(overlaps, measured):
    with ckpt.Checkpoints(tmp_path, 1, measured) as checkpoints:
      for step, overlap in overlaps.items():
        checkpoints.save(make_state(step), {ckpt.CRITERION: overlap})
      return checkpoints.best

  with monkeypatch.context() as patch:
    if not former:
      # Checkpoints of earlier versions do not include the settings.
      patch.setattr(ckpt, '_MEASURED', 'nothing')
    assert save({1: 0.9, 2: 0.5}, former) == 1
  best = save({3: 0.3, 4: 0.4, 5: 0.2}, 'settings')
  with ckpt.Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.best == best == (4 if former else 1)
    assert checkpoints.steps == (best, 5)


def test_a_run_that_was_not_validated_has_no_best_checkpoint(run):
  with pytest.raises(
    ValueError, match='no checkpoint was validated, so none is the best'
  ):
    trained.read(f'{run}@best')


@pytest.mark.parametrize(('suffix', 'step'), [('', 5), ('@3', 3)])
def test_tracking_loads_the_config_and_the_variables(run, suffix, step):
  config, variables = trained.read(f'{run}{suffix}')
  assert config == CONFIG
  expected = make_state(step)
  jax.tree.map(
    np.testing.assert_array_equal,
    variables,
    {'params': expected.params, 'batch_stats': expected.batch_stats},
  )


def test_a_missing_step_is_refused_with_the_existing_ones(run):
  with pytest.raises(
    ValueError, match='no step 4; choose one of the steps 3, 5'
  ):
    trained.read(f'{run}@4')


def test_a_full_disk_is_reported_as_a_failure(run):
  big = np.random.default_rng(0).standard_normal((400, 400))
  state = make_state(7).replace(params={'w': jnp.asarray(big)})
  handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  # A limit on the size of files makes writes fail, as a full disk would.
  resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
  try:
    with (
      pytest.raises(RuntimeError, match='check that the disk is not full'),
      ckpt.Checkpoints(run) as checkpoints,
    ):
      checkpoints.save(state)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)
  with ckpt.Checkpoints(run) as checkpoints:
    assert checkpoints.steps == (3, 5)


def delete_run(run):
  shutil.rmtree(run)


def empty_run(run):
  shutil.rmtree(run)
  run.mkdir()


def leave_no_finished_checkpoint(run):
  shutil.rmtree(run / 'checkpoints' / '3')
  target = run / 'checkpoints' / '5.orbax-checkpoint-tmp-0'
  (run / 'checkpoints' / '5').rename(target)


def truncate_config(run):
  (run / 'config.json').write_text('{"tracker"')


def delete_model(run):
  shutil.rmtree(run / 'checkpoints' / '5' / 'model')


def delete_arrays(run):
  for path in (run / 'checkpoints' / '5' / 'model').rglob('d/*'):
    path.unlink()


def flip_a_bit(run, step=5):
  # The largest file holds the arrays; the middle is noise, which is not
  # compressed. Orbax does not notice the change.
  paths = (run / 'checkpoints' / f'{step}' / 'model').rglob('d/*')
  path = max(paths, key=lambda path: path.stat().st_size)
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


@pytest.mark.parametrize(
  ('damage', 'error', 'message'),
  [
    (delete_run, FileNotFoundError, 'run: no such folder'),
    (empty_run, FileNotFoundError, r'no config.json in it; give'),
    (leave_no_finished_checkpoint, FileNotFoundError, 'no finished checkpoint'),
    (truncate_config, ValueError, r'config.json: not JSON'),
    (delete_model, ValueError, '5: the checkpoint is damaged'),
    (delete_arrays, ValueError, r'5: the checkpoint .*\(other steps: 3\)'),
    (flip_a_bit, ValueError, 'wrong checksum of the part model'),
  ],
  ids=lambda value: getattr(value, '__name__', ''),
)
def test_a_damaged_run_is_refused_in_one_line(run, damage, error, message):
  damage(run)
  with pytest.raises(error, match=message) as caught:
    trained.read(run)
  assert len(str(caught.value).splitlines()) == 1


def test_a_state_of_another_network_is_refused(run):
  other = make_state().replace(params={'head': {'w': jnp.ones(7)}})
  with (
    ckpt.Checkpoints(run) as checkpoints,
    pytest.raises(ValueError, match='belongs to another network'),
  ):
    checkpoints.restore(5, other)


@pytest.mark.parametrize('damage', [flip_a_bit, delete_model, delete_arrays])
def test_the_newest_intact_checkpoint_is_restored(run, damage, capfd):
  damage(run)
  with ckpt.Checkpoints(run, keep=2) as checkpoints:
    restored = checkpoints.restore_newest(lambda step: make_state())
    jax.tree.map(np.testing.assert_array_equal, restored, make_state(3))
    assert checkpoints.steps == (3,)
    # The step of the damaged checkpoint is saved again.
    checkpoints.save(make_state(5))
  assert (run / 'damaged_checkpoints' / '5.1').is_dir()
  assert 'the checkpoint of step 5 is damaged' in capfd.readouterr().out
  _, variables = trained.read(run)
  np.testing.assert_array_equal(variables['params']['head']['w'], np.full(4, 5))


def test_if_all_checkpoints_are_damaged_all_stay_and_the_newest_is_named(run):
  for step in (3, 5):
    flip_a_bit(run, step)
  with (
    ckpt.Checkpoints(run) as checkpoints,
    pytest.raises(ckpt.DamagedError, match=r'checkpoints/5: .*wrong checksum'),
  ):
    checkpoints.restore_newest(lambda step: make_state())
  assert sorted(path.name for path in (run / 'checkpoints').iterdir()) == [
    '3',
    '5',
  ]


@pytest.mark.parametrize('file', ['array', 'metadata'])
@pytest.mark.parametrize(
  ('path', 'reason'),
  [
    # Linux lets nobody read the first file, and the first page of the second.
    ('/proc/sys/vm/drop_caches', 'Permission denied'),
    ('/proc/self/mem', 'Input/output error'),
  ],
)
def test_a_checkpoint_that_cannot_be_read_ends_the_run_and_stays(
  run, file, path, reason
):
  folder = run / 'checkpoints' / '5' / 'model'
  arrays = max(folder.rglob('d/*'), key=lambda path: path.stat().st_size)
  unreadable = {'array': arrays, 'metadata': folder / '_METADATA'}[file]
  unreadable.unlink()
  unreadable.symlink_to(path)
  with (
    ckpt.Checkpoints(run) as checkpoints,
    pytest.raises(RuntimeError, match=rf'5: .* cannot be read \(.*{reason}'),
  ):
    checkpoints.restore_newest(lambda step: make_state())
  assert {path.name for path in (run / 'checkpoints').iterdir()} == {'3', '5'}
  assert not (run / 'damaged_checkpoints').exists()


def test_checkpoints_without_checksums_are_restored(run, monkeypatch):
  monkeypatch.setattr(ckpt, '_CHECKSUMS', 'nothing')
  with ckpt.Checkpoints(run) as checkpoints:
    restored = checkpoints.restore(5, make_state())
  jax.tree.map(np.testing.assert_array_equal, restored, make_state(5))


def test_a_run_accepts_its_own_config_and_refuses_another(run):
  workdir.claim(run, json.loads(json.dumps(CONFIG)))
  other = {'tracker': {'name': 'fake', 'levels': (2,)}, 'train': {'size': 1}}
  with pytest.raises(ValueError, match='another config') as caught:
    workdir.claim(run, other)
  for change in (
    'tracker.levels (was (2, 3), now (2,))',
    'train.size (was absent, now 1)',
    'train.seed (was 0, now absent)',
  ):
    assert change in str(caught.value)


@pytest.mark.parametrize('change', [{'workers': 4}, {}], ids=['set', 'absent'])
def test_a_run_resumes_with_another_number_of_workers(tmp_path, change):
  data = {'source': 'memory', 'workers': 0}
  workdir.claim(tmp_path, {'data': data})
  workdir.claim(tmp_path, {'data': {'source': 'memory', **change}})
  assert workdir.read_config(tmp_path)['data'].get('workers') == (
    change.get('workers')
  )


def test_the_configs_of_earlier_steps_are_kept(tmp_path):
  for every, step in ((1, None), (2, None), (3, 6), (4, 6), (5, 8), (5, 9)):
    changed = workdir.claim(tmp_path, {'log': {'every': every}}, step)
  assert changed == ''
  kept = {
    path.name: json.loads(path.read_text())['log']['every']
    for path in tmp_path.glob('*.json')
  }
  assert kept == {
    'config.json': 5,
    # The other config of step 6 is not kept, as no step was taken with it.
    'config.until_6.json': 2,
    'config.until_8.json': 4,
  }


def test_the_newest_step_is_found_without_opening_the_folder(run, tmp_path):
  assert ckpt.newest_step(run) == 5
  assert ckpt.newest_step(tmp_path / 'new') is None
  assert not (tmp_path / 'new').exists()
