"""Tests of model folders, and of the models in the package."""

import subprocess
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy

import acm_jax
from acm_jax import export, models, train
from acm_jax.training import trained


@pytest.fixture
def weights():
  kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
  return {'params': {'a': {'kernel': kernel}}}


def test_weights_are_the_same_after_writing_and_reading(weights, tmp_path):
  models.write_weights(tmp_path, weights)
  read = models.read_weights(tmp_path)
  jax.tree.map(np.testing.assert_array_equal, read, weights)


def test_float16_halves_the_file_and_rounds_the_weights(tmp_path):
  values = np.linspace(-3, 3, 10_000, dtype=np.float32)
  sizes = {}
  for dtype in ('float32', 'float16'):
    models.write_weights(tmp_path, {'params': {'a': values}}, dtype)
    (file,) = tmp_path.iterdir()
    sizes[dtype] = file.stat().st_size
  assert sizes['float16'] < 0.51 * sizes['float32']
  read = models.read_weights(tmp_path)['params']['a']
  assert read.dtype == np.float32
  np.testing.assert_array_equal(read, values.astype(np.float16))


@pytest.mark.parametrize('value', [1e6, np.inf, np.nan])
def test_a_number_that_float16_cannot_represent_is_refused(tmp_path, value):
  tree = {'params': {'a': {'bias': np.array([0, value], np.float32)}}}
  with pytest.raises(
    ValueError, match='params/a/bias: has numbers that float16'
  ):
    models.write_weights(tmp_path, tree, 'float16')
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('damage', ['cut', 'one bit', 'no checksum'])
def test_a_damaged_file_is_refused(weights, tmp_path, damage):
  models.write_weights(tmp_path, weights)
  (file,) = tmp_path.iterdir()
  content = bytearray(file.read_bytes())
  message = 'damaged'
  if damage == 'cut':
    content = content[:-1]
  elif damage == 'one bit':
    content[-1] ^= 1
  else:
    content = safetensors.numpy.save({'a': np.zeros(2)})
    message = 'has no checksum'
  file.write_bytes(content)
  with pytest.raises(ValueError, match=rf'weights.safetensors: {message}'):
    models.read_weights(tmp_path)


def test_an_unknown_name_lists_the_models(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(
    FileNotFoundError, match=r'smal: no such .* package: smal'
  ):
    acm_jax.load('smal')


def test_a_folder_with_the_name_of_a_model_is_ambiguous(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'small').mkdir()
  with pytest.raises(ValueError, match=r'give the folder as \./small'):
    models.find('small')
  assert models.find('./small').resolve() == tmp_path / 'small'


def test_a_model_is_found_by_any_spelling_but_a_folder_comes_first(
  tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  assert models.find('Small') == models.find('small')
  (tmp_path / 'Small').mkdir()
  assert models.find('Small').resolve() == tmp_path / 'Small'


def test_a_folder_below_a_run_is_told_the_folder_of_the_run(tmp_path):
  (tmp_path / 'run' / 'checkpoints').mkdir(parents=True)
  (tmp_path / 'run' / 'config.json').write_text('{}')
  message = f'checkpoints: no config.json in it; give {tmp_path / "run"}'
  with pytest.raises(FileNotFoundError, match=message):
    trained.read(str(tmp_path / 'run' / 'checkpoints'))


def test_a_model_has_no_steps():
  with pytest.raises(ValueError, match='small@5: a model has no steps'):
    trained.read('small@5')


def test_no_run_is_started_in_the_folder_of_a_model(refuse, tmp_path):
  (tmp_path / 'model').mkdir()
  trained.save(tmp_path / 'model', *trained.read('small'))
  refuse(
    train,
    '--config=configs/siamban_acm.py:quickstart,tiny',
    f'--workdir={tmp_path / "model"}',
    message='holds a model, not a run',
  )


def test_an_exported_run_tracks_like_the_run(run_command, tiny_run, tmp_path):
  out = tmp_path / 'model'
  flags = f'--checkpoint={tiny_run}', f'--out={out}', '--dtype=float32'
  code, printed, errors = run_command(export, *flags)
  assert code == 0, errors
  assert printed[-1].endswith(' MB')
  assert sorted(path.name for path in out.iterdir()) == [
    'config.json',
    'weights.safetensors',
  ]
  ours, expected = (trained.load(str(f)).about() for f in (out, tiny_run))
  assert ours == expected
  code, _, errors = run_command(export, *flags)
  assert code == 2
  assert 'already exists' in errors[-1]


@pytest.mark.parametrize('name', models.names())
def test_a_model_of_the_package_is_small_and_has_a_card(name):
  folder = models.find(name)
  assert sum(path.stat().st_size for path in folder.iterdir()) < 4e6
  card = (folder / 'README.md').read_text()
  for part in ('Training data', 'Licence', 'Scores', 'Limits'):
    assert f'## {part}' in card


def test_the_default_model_loads_without_orbax_or_tensorflow():
  code = """
import sys, acm_jax
assert acm_jax.load().model.name == 'small'
print([m for m in ('orbax', 'tensorflow') if m in sys.modules])
"""
  ran = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert ran.stdout.strip() == '[]'
