"""Fixtures of the tests of `benchmarks`."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accelerator_stages.settings import Settings, Training


@pytest.fixture
def one_thread():
  """Limits PyTorch to one thread, as test processes share the cores."""
  torch = pytest.importorskip('torch')
  threads = torch.get_num_threads()
  torch.set_num_threads(1)
  yield
  torch.set_num_threads(threads)


@pytest.fixture
def settings(tmp_path) -> Settings:
  """Settings of a rehearsal that writes to `tmp_path`."""
  return Settings(
    out=tmp_path,
    rehearse=True,
    packed=None,
    benchmark='davis',
    training=Training(config='', minutes=1.0),
  )


@pytest.fixture
def run_folder(tmp_path) -> Path:
  """A folder with a checkpoint, a config, an empty file and data."""
  folder = tmp_path / 'run'
  (folder / 'checkpoints' / '8').mkdir(parents=True)
  (folder / 'data').mkdir()
  random = np.random.default_rng(0)
  (folder / 'checkpoints' / '8' / 'weights').write_bytes(random.bytes(50_000))
  (folder / 'config.json').write_text('{}')
  (folder / 'empty').touch()
  (folder / 'data' / 'large').write_bytes(bytes(10))
  return folder
