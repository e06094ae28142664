"""Fixtures for preparing small clip sets."""

import subprocess
import sys
from pathlib import Path

import pytest

from acm_jax.datasets.sources import folder
from data_pipelines import (
  preparation,
  prepare,
  synthetic,
)
from tests.data_pipelines.preparation import forks, jobs


@pytest.fixture(scope='session')
def videos(tmp_path_factory):
  """Five short sequences in the folder layout."""
  root = tmp_path_factory.mktemp('videos') / 'videos'
  synthetic.write_folder(root, sequences=5, frames=3, seed=0)
  return root


@pytest.fixture(scope='session')
def whole(videos, tmp_path_factory):
  """Clip set of the sequences, written without an interruption."""
  out = tmp_path_factory.mktemp('whole') / 'set'
  preparation.prepare(jobs.job(videos), out, preparation.processes(1))
  return out


@pytest.fixture(scope='session')
def forked(videos, tmp_path_factory):
  """Folder of the clip sets that the runs of `forks` wrote."""
  out = tmp_path_factory.mktemp('forks')
  ended = subprocess.run(
    [sys.executable, '-m', forks.__name__, videos, out],
    cwd=Path(prepare.__file__).parents[1],
    capture_output=True,
    check=False,
    timeout=300,
  )
  assert ended.returncode == 0, ended.stderr
  return out


@pytest.fixture(autouse=True)
def one_video_per_shard(monkeypatch):
  """Makes small sources have several shards."""
  monkeypatch.setattr(folder, 'SOURCE', folder.SOURCE._replace(per_shard=1))


@pytest.fixture
def run_prepare(run_command):
  """Returns a function that runs `prepare`: exit code, stdout, stderr lines."""

  def run(*argv):
    code, printed, errors = run_command(prepare, *argv)
    return code, '\n'.join(printed), errors

  return run
