"""Tests of full disks and size limits: the error names the file."""

import errno
import pickle
import types

import numpy as np
import pytest

from acm_jax.datasets import image_files
from acm_jax.host import extras, staging
from acm_jax.host.staging import FullDiskError, replacing, staged


@pytest.mark.parametrize('open_file', [True, False], ids=['closing', 'at once'])
def test_a_full_disk_names_the_final_file_and_keeps_the_earlier_one(
  tmp_path, limit_file_size, open_file
):
  path = tmp_path / 'a.txt'
  path.write_text('earlier')

  def write():
    with replacing(path) as partial:
      if open_file:
        # Python writes what fits into its buffer when the file is closed.
        with partial.open('w') as file:
          file.write('x' * 2000)
      else:
        partial.write_text('x' * 100_000)

  with limit_file_size(1000), pytest.raises(FullDiskError) as caught:
    write()
  assert caught.value.errno == errno.EFBIG
  assert caught.value.filename == str(path)
  assert 'ulimit -f' in caught.value.strerror
  assert path.read_text() == 'earlier'
  assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_in_a_staged_folder_names_the_file_by_its_final_path(
  tmp_path, limit_file_size
):
  def write():
    with staged(tmp_path / 'out') as folder:
      image_files.write(folder / 'a.png', noise)

  noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
  with limit_file_size(1000), pytest.raises(FullDiskError) as caught:
    write()
  assert caught.value.filename == str(tmp_path / 'out' / 'a.png')
  assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_opened_is_named_by_its_final_path(tmp_path):
  path = tmp_path / 'nowhere' / 'a.txt'
  with pytest.raises(FileNotFoundError) as caught, replacing(path) as partial:
    partial.write_text('a')
  assert caught.value.filename == str(path)


def test_errors_of_other_files_keep_their_names(tmp_path):
  with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / 'a'):
    (tmp_path / 'missing').read_text()
  assert caught.value.filename == str(tmp_path / 'missing')


def test_a_full_disk_is_reported_from_a_process(tmp_path):
  error = FullDiskError(errno.ENOSPC, 'No space left', 'a.txt')
  copy = pickle.loads(pickle.dumps(error))
  assert type(copy) is FullDiskError
  assert copy.filename == 'a.txt'


def test_a_command_whose_disk_is_full_fails_and_names_the_file(
  run_command, tmp_path, limit_file_size
):
  def main(_):
    with replacing(tmp_path / 'a.txt') as path:
      path.write_text('x' * 100_000)

  program = types.SimpleNamespace(
    define=lambda _: None, main=main, __doc__='Writes.'
  )
  with limit_file_size(1000):
    code, _, errors = run_command(program)
  assert code == 1
  assert errors == [
    f'error: {tmp_path / "a.txt"}: File too large; raise the limit of file '
    'sizes (ulimit -f)'
  ]


@pytest.mark.parametrize('text', ['No space left on device', 'File too large'])
def test_a_full_disk_is_found_in_the_message_of_a_program(text):
  error = staging.full_disk(f'av_interleaved_write_frame(): {text}')
  assert error.strerror == text
  assert staging.full_disk('Unknown encoder') is None


def test_an_additional_file_that_fails_is_a_warning(tmp_path, caplog):
  with extras.extra(tmp_path / 'a.png'):
    raise ValueError('bad plot')
  assert 'a.png: not written (ValueError: bad plot)' in caplog.text
  full = FullDiskError(errno.ENOSPC, 'No space left', 'a.png')
  with pytest.raises(FullDiskError), extras.extra(tmp_path / 'a.png'):
    raise full


def test_a_mistake_in_the_code_of_an_additional_file_is_an_error(tmp_path):
  with pytest.raises(TypeError), extras.extra(tmp_path / 'a.png'):
    raise TypeError


def test_an_image_of_an_unknown_format_is_named(tmp_path):
  path = tmp_path / 'a.xyz'
  with pytest.raises(RuntimeError, match=r'a\.xyz.*choose another suffix'):
    image_files.write(path, np.zeros((4, 4, 3), np.uint8))
