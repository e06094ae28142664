"""Spellings of names that users type."""

import pytest
from absl import flags

from acm_jax.host import names

KNOWN = ('otb100', 'got10k_val', 'uav123', 'uav123_10fps')


@pytest.mark.parametrize(
  ('typed', 'meant'),
  [
    ('otb100', 'otb100'),
    ('OTB-100', 'otb100'),
    ('GOT-10k_Val', 'got10k_val'),
    ('UAV123 10fps', 'uav123_10fps'),
    ('uav12', None),
    ('', None),
  ],
)
def test_case_and_separators_do_not_matter(typed, meant):
  assert names.find(typed, KNOWN) == meant


def test_an_exact_name_comes_first_and_a_name_that_fits_two_is_unknown():
  assert names.find('a_b', ('a-b', 'a_b')) == 'a_b'
  assert names.find('A_B', ('a-b', 'a_b')) is None


def test_a_flag_takes_names_in_any_spelling():
  values = flags.FlagValues()
  flags.DEFINE_enum('one', None, ['a_b', 'c'], 'One.', flag_values=values)
  flags.DEFINE_multi_string('many', [], 'Many.', flag_values=values)
  for flag in ('one', 'many'):
    names.allow_spellings(values, flag, ('a_b', 'c'))
  values(['program', '--one=A-B', '--many', 'C', '--many', 'other'])
  assert values.one == 'a_b'
  assert values.many == ['c', 'other']
  with pytest.raises(flags.IllegalFlagValueError, match=r'one of <a_b\|c>'):
    values(['program', '--one=d'])


def test_a_file_stands_for_the_names_in_it(tmp_path):
  file = tmp_path / 'hard ones.txt'
  file.write_bytes(b'\xef\xbb\xbfCar1\r\n\r\n  Jogging-1 \r\nred, green\n')
  found = names.listed(['Bolt', str(file), 'Car1', ''])
  assert list(found) == ['Bolt', 'Car1', 'Jogging-1', 'red, green']
  assert names.unknown(found, ['Bolt', 'Car1', 'red, green']) == (
    f'Jogging-1 from {file}'
  )


def test_a_file_without_names_is_refused(tmp_path):
  file = tmp_path / 'none.txt'
  file.write_text('\n \n')
  with pytest.raises(ValueError, match=r'none\.txt: contains no names; give o'):
    names.listed([str(file)])


def test_a_known_name_is_a_name_even_if_there_is_such_a_file(
  tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'bag').write_text('ball1\n')
  assert list(names.listed(['bag'])) == ['ball1']
  assert list(names.listed(['bag'], known={'bag', 'ball1'})) == ['bag']


def test_the_home_folder_is_found(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  (tmp_path / 'names.txt').write_text('a')
  found = names.listed(['~/names.txt', '~nobody/names.txt'])
  assert list(found) == ['a', '~nobody/names.txt']


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


def test_a_message_lists_only_the_first_of_many_unknown_names():
  wrong = [f'video {i}' for i in range(1000)]
  found = names.unknown(wrong, ['Car1'])
  assert found == 'video 0, video 1, video 2, video 3, video 4, and 995 more'
