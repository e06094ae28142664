"""Fixtures that several tests share."""

import pytest

from data_pipelines import synthetic_set


@pytest.fixture(scope='session')
def clip_folder(tmp_path_factory):
  """Folder of a clip set: four synthetic tracks of 12 frames, 255 px crops."""
  return synthetic_set.ensure(
    tmp_path_factory.mktemp('clips') / 'synthetic',
    sequences=4,
    frames=12,
    size=(120, 160),
    seed=5,
    crop_size=255,
  )
