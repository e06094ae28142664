"""Tests of lists of names and of advice about unknown names."""

import pytest

from acm_jax.datasets import names


def test_a_file_stands_for_the_names_in_it(tmp_path):
  file = tmp_path / 'hard ones.txt'
  file.write_bytes(b'\xef\xbb\xbfCar1\r\n\r\n  Jogging-1 \r\nred, green\n')
  found = names.listed(['Bolt', str(file), 'Car1', ''])
  assert found == ['Bolt', 'Car1', 'Jogging-1', 'red, green']


def test_a_known_name_is_a_name_even_if_there_is_such_a_file(
  tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'bag').write_text('ball1\n')
  assert names.listed(['bag']) == ['ball1']
  assert names.listed(['bag'], known={'bag', 'ball1'}) == ['bag']


def test_the_home_folder_is_found(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  (tmp_path / 'names.txt').write_text('a')
  assert names.listed(['~/names.txt', '~nobody/names.txt']) == [
    'a',
    '~nobody/names.txt',
  ]


def test_a_file_that_is_no_text_is_refused(tmp_path):
  file = tmp_path / 'names.txt'
  file.write_bytes(b'\xff\xd8\xff')
  with pytest.raises(ValueError, match=r'names\.txt: not a text file in UTF-8'):
    names.listed([str(file)])


def test_an_unknown_name_comes_with_the_nearest_known_names():
  known = ['Car1', 'Jogging-1', 'Jogging-2', 'BASKETBALL']
  assert names.unknown(['Car1', 'Jogging-2'], known) == ''
  assert names.unknown(['jogging-1', 'basketbal', 'zzz'], known) == (
    'jogging-1 (nearest: Jogging-1, Jogging-2), basketbal (nearest: '
    'BASKETBALL), zzz'
  )
