"""The official lists of sequences."""

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
def test_a_list_is_complete_and_has_no_name_twice(table, count):
  names = tables.names(table)
  assert len(names) == len(set(names)) == count


def test_otbs_parts_are_parts_of_it():
  whole = set(tables.names('otb100'))
  assert set(tables.names('otb50')) < whole
  assert set(tables.names('otb2013')) < whole


def test_places_of_uav123_have_the_official_number_of_frames():
  places = tables.places('uav123').values()
  assert sum(place.last - place.first + 1 for place in places) == 112578
  assert tables.places('uav123')['bird1_2'] == ('bird1', 775, 1477)


def test_lasot_has_four_of_each_class():
  kinds = [name.rpartition('-')[0] for name in tables.names('lasot')]
  assert {kinds.count(kind) for kind in kinds} == {4}
