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
