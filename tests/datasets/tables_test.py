"""Official lists of sequences."""

import pytest

from acm_jax.datasets import tables


@pytest.mark.parametrize(
  ('table', 'count'),
  [
    ('otb100', 100),
    ('otb50', 50),
    ('otb2013', 51),
    ('uav123', 123),
    ('uav20l', 20),
    ('nfs', 100),
    ('dtb70', 70),
    ('lasot', 280),
    ('lasot_ext', 150),
    ('trackingnet', 511),
    ('vot2016', 60),
    ('vot2018', 60),
    ('vot2019', 60),
  ],
)
def test_a_list_is_complete_and_has_no_duplicates(table, count):
  names = tables.names(table)
  assert len(names) == len(set(names)) == count


def test_otb50_and_otb2013_are_parts_of_otb100():
  whole = set(tables.names('otb100'))
  assert set(tables.names('otb50')) < whole
  assert set(tables.names('otb2013')) < whole


def test_the_parts_of_uav123_have_the_official_number_of_frames():
  parts = tables.parts('uav123')
  frames = sum(part.last - part.first + 1 for part in parts.values())
  assert frames == 112578
  assert parts['bird1_2'] == ('bird1', 775, 1477)


def test_lasot_has_four_sequences_of_each_class():
  kinds = [name.rpartition('-')[0] for name in tables.names('lasot')]
  assert {kinds.count(kind) for kind in kinds} == {4}
