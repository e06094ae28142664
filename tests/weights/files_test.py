"""Tests of reading state dicts from files and of refusing harmful files."""

import pickle

import numpy as np
import pytest
import safetensors.numpy

from acm_jax.weights import files


def test_npz_files_are_read_and_the_prefix_is_removed(tmp_path):
  np.savez(tmp_path / 'w.npz', **{'module.a.weight': np.ones((2, 3))})
  assert files.read(tmp_path / 'w.npz').arrays['a.weight'].shape == (2, 3)


def test_arrays_with_values_that_are_not_finite_are_named(tmp_path):
  np.savez(tmp_path / 'w.npz', a=np.ones(2), b=np.array([1, np.nan]))
  with pytest.raises(ValueError, match='not finite: b'):
    files.read(tmp_path / 'w.npz')


class RunsCode:
  """Object that runs code when it is unpickled."""

  def __reduce__(self):
    return print, ('ran',)


def test_an_npz_file_with_objects_is_refused_without_running_code(
  tmp_path, capsys
):
  np.savez(tmp_path / 'w.npz', a=np.array([RunsCode()], dtype=object))
  capsys.readouterr()
  with pytest.raises(ValueError, match='not a readable'):
    files.read(tmp_path / 'w.npz')
  assert 'ran' not in capsys.readouterr().out


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'w\.npz: no such file'):
    files.read(tmp_path / 'w.npz')


def test_safetensors_files_are_read(tmp_path):
  safetensors.numpy.save_file(
    {'a': np.ones(3, np.float32)}, tmp_path / 'w.safetensors'
  )
  assert files.read(tmp_path / 'w.safetensors').arrays['a'].sum() == 3


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'tar'])
def test_torch_files_are_read(tmp_path, zipped):
  torch = pytest.importorskip('torch')
  content = {'epoch': 3, 'state_dict': {'module.a': torch.ones(2)}}
  torch.save(content, tmp_path / 'w.pth', _use_new_zipfile_serialization=zipped)
  assert files.read(tmp_path / 'w.pth').arrays['a'].tolist() == [1, 1]


def test_a_torch_file_that_would_run_code_is_refused(tmp_path, capsys):
  pytest.importorskip('torch')
  (tmp_path / 'w.pth').write_bytes(pickle.dumps({'a': RunsCode()}, protocol=2))
  with pytest.raises(ValueError, match='refused'):
    files.read(tmp_path / 'w.pth')
  assert 'ran' not in capsys.readouterr().out


def test_a_truncated_torch_file_is_refused_in_a_short_message(tmp_path):
  torch = pytest.importorskip('torch')
  torch.save({'a': torch.ones(1000)}, tmp_path / 'whole.pth')
  whole = (tmp_path / 'whole.pth').read_bytes()
  (tmp_path / 'w.pth').write_bytes(whole[: len(whole) // 2])
  with pytest.raises(
    ValueError, match=r'w\.pth: .*truncated, so download'
  ) as caught:
    files.read(tmp_path / 'w.pth')
  assert len(str(caught.value)) < 300


def test_entries_next_to_the_state_dict_are_listed_as_ignored(tmp_path):
  torch = pytest.importorskip('torch')
  rate = np.float64(0.1)
  content = {'state_dict': {'a': torch.ones(2)}, 'optimizer': {'rate': rate}}
  torch.save(content | {'epoch': 3}, tmp_path / 'w.pth')
  assert files.read(tmp_path / 'w.pth').ignored == ('epoch', 'optimizer')
