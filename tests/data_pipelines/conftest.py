"""A small clip set that several tests read, and a place that is far away."""

import fsspec
import pytest
from etils.epath import backend, gpath
from fsspec.implementations import dirfs

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


@pytest.fixture
def bucket(tmp_path, monkeypatch):
  """A folder of this machine that stands for the address s3://bucket."""

  class Store(dirfs.DirFileSystem):
    protocol = 's3'

  folder = tmp_path / 'store' / 'bucket'
  folder.mkdir(parents=True)
  store = Store(str(folder.parent), fsspec.filesystem('file', auto_mkdir=True))
  monkeypatch.setattr(gpath, '_is_tf_installed', lambda: False)
  monkeypatch.setattr(
    type(backend.fsspec_backend), '_get_filesystem', lambda *_: store
  )
  return folder
