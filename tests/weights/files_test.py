"""Tests of reading state dicts from .npz and .safetensors files."""

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from acm_jax.weights import files


def test_npz_files_are_read_and_the_prefix_is_removed(tmp_path):
  np.savez(tmp_path / 'w.npz', **{'module.a.weight': np.ones((2, 3))})
  assert files.read(tmp_path / 'w.npz').arrays['a.weight'].shape == (2, 3)


def test_arrays_with_values_that_are_not_finite_are_named(tmp_path):
  np.savez(tmp_path / 'w.npz', a=np.ones(2), b=np.array([1, np.nan]))
  with pytest.raises(ValueError, match='not finite: b;'):
    files.read(tmp_path / 'w.npz')


def test_the_list_of_keys_in_a_message_is_short(tmp_path):
  arrays = {f'key{number}': np.array([np.inf]) for number in range(500)}
  np.savez(tmp_path / 'w.npz', **arrays)
  with pytest.raises(ValueError, match='key7 and 492 more;'):
    files.read(tmp_path / 'w.npz')


@pytest.mark.parametrize(
  'value',
  [np.ones(2, complex), np.array(['a']), np.ones(2, 'V2')],
  ids=['complex', 'text', 'bytes'],
)
def test_arrays_without_real_numbers_are_named(tmp_path, value):
  np.savez(tmp_path / 'w.npz', a=np.ones(2), b=value)
  with pytest.raises(ValueError, match=r'without real numbers .*: b; save'):
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
  with pytest.raises(ValueError, match='not a readable') as caught:
    files.read(tmp_path / 'w.npz')
  assert 'allow_pickle' not in str(caught.value)
  assert 'ran' not in capsys.readouterr().out


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'w\.npz: no such file'):
    files.read(tmp_path / 'w.npz')


def test_safetensors_files_are_read(tmp_path):
  safetensors.numpy.save_file(
    {'a': np.ones(3, np.float32)}, tmp_path / 'w.safetensors'
  )
  assert files.read(tmp_path / 'w.safetensors').arrays['a'].sum() == 3


def test_the_contents_decide_the_format_and_not_the_name(tmp_path):
  np.savez(tmp_path / 'w.npz', a=np.ones(2))
  (tmp_path / 'w.npz').rename(tmp_path / 'npz.pth')
  arrays = {'a': np.ones(2, np.float32)}
  safetensors.numpy.save_file(arrays, tmp_path / 'tensors.bin')
  for name in ('npz.pth', 'tensors.bin'):
    assert files.read(tmp_path / name).arrays['a'].tolist() == [1, 1]


def test_bfloat16_in_safetensors_files_becomes_float32(tmp_path):
  value = np.asarray(jnp.array([0.5, -3], jnp.bfloat16))
  safetensors.numpy.save_file({'a': value}, tmp_path / 'w.safetensors')
  array = files.read(tmp_path / 'w.safetensors').arrays['a']
  assert array.dtype == np.float32
  assert array.tolist() == [0.5, -3]


def test_nan_in_bfloat16_is_found(tmp_path):
  value = np.asarray(jnp.array([1, np.nan], jnp.bfloat16))
  safetensors.numpy.save_file({'a': value}, tmp_path / 'w.safetensors')
  with pytest.raises(ValueError, match='not finite: a;'):
    files.read(tmp_path / 'w.safetensors')


def test_a_truncated_safetensors_file_is_refused(tmp_path):
  path = tmp_path / 'w.safetensors'
  safetensors.numpy.save_file({'a': np.ones(99, np.float32)}, path)
  path.write_bytes(path.read_bytes()[:-9])
  with pytest.raises(ValueError, match=r'not a readable \.safetensors file'):
    files.read(path)
