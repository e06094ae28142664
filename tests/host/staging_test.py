"""Tests of atomic writing of folders."""

import shutil

import pytest

from acm_jax.host.staging import staged


@pytest.fixture
def out(tmp_path):
  """Path of a folder that holds a file `old`."""
  folder = tmp_path / 'out'
  folder.mkdir()
  (folder / 'old').write_text('old')
  return folder


def names(folder):
  return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_after_the_block_and_not_earlier(tmp_path):
  out = tmp_path / 'new' / 'out'
  with staged(out) as folder:
    (folder / 'a').write_text('a')
    assert not out.exists()
  assert names(out) == ['a']
  assert names(out.parent) == ['out']


def test_an_existing_folder_is_not_replaced_unless_requested(out):
  with pytest.raises(ValueError, match='out: already exists'), staged(out):
    pass
  assert names(out) == ['old']


@pytest.mark.parametrize('file', [True, False], ids=['file', 'empty folder'])
def test_a_path_created_by_another_process_during_the_block_is_kept(
  tmp_path, file
):
  out = tmp_path / 'out'

  def write():
    with staged(out) as folder:
      (folder / 'a').write_text('a')
      out.write_text('other') if file else out.mkdir()

  with pytest.raises(ValueError, match='out: was created by another process'):
    write()
  assert out.read_text() == 'other' if file else names(out) == []
  assert names(tmp_path) == ['out']


def test_a_folder_is_replaced_completely_on_request(out):
  with staged(out, replace=True) as folder:
    (folder / 'a').write_text('a')
    assert names(out) == ['old']
  assert names(out) == ['a']
  assert names(out.parent) == ['out']


def test_a_link_is_replaced_and_the_folder_that_it_leads_to_is_kept(out):
  link = out.with_name('link')
  link.symlink_to(out)
  with staged(link, replace=True) as folder:
    (folder / 'a').write_text('a')
  assert names(link) == ['a']
  assert names(out) == ['old']


@pytest.mark.parametrize('replace', [True, False])
def test_nothing_is_left_when_the_block_raises(tmp_path, replace):
  def write():
    with staged(tmp_path / 'out', replace) as folder:
      (folder / 'a').write_text('a')
      raise KeyError

  with pytest.raises(KeyError):
    write()
  assert names(tmp_path) == []


def test_the_previous_folder_stays_when_the_new_one_cannot_be_renamed(out):
  with pytest.raises(FileNotFoundError), staged(out, replace=True) as folder:
    shutil.rmtree(folder)
  assert names(out) == ['old']
  assert names(out.parent) == ['out']
