"""A small clip set that several tests read."""

import pytest

from data_pipelines import synthetic_set


@pytest.fixture(scope='session')
def clip_folder(tmp_path_factory):
  """Four synthetic tracks of twelve frames, crops of 255 px."""
  return synthetic_set.ensure(
    tmp_path_factory.mktemp('clips') / 'synthetic',
    sequences=4,
    frames=12,
    size=(120, 160),
    seed=5,
    crop_size=255,
  )
