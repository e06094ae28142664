"""Preparation: all kinds of workers and folders give equal clip sets."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from acm_jax.datasets.sources import folder
from data_pipelines import clip_set, preparation, prepare
from data_pipelines.builders import dummy_data
from data_pipelines.clip_set import ClipSet
from data_pipelines.clips import Cut
from tests.data_pipelines.preparation import forks
from tests.data_pipelines.preparation.jobs import (
  content,
  job,
  others,
  recording,
  stopping,
)

ROOT = os.path.dirname(os.path.dirname(prepare.__file__))


def test_two_processes_write_the_same_set(whole, forked):
  assert content(forked / forks.TWO_PROCESSES / 'set') == content(whole)


def test_beam_writes_the_same_set(videos, whole, tmp_path):
  pytest.importorskip('apache_beam')
  work = preparation.beam(['--runner=DirectRunner'])
  preparation.prepare(job(videos), tmp_path / 'set', work)
  assert content(tmp_path / 'set') == content(whole)


# The replaced function only returns numbers, which is faster than writing.
ORPHANS = """
import os, signal
from data_pipelines import preparation
from data_pipelines.clips import Cut

def write_shard(shard):
  return shard.number

if __name__ == '__main__':
  preparation.write_shard = write_shard
  job = preparation.Job('folder', '', Cut())
  shards = [preparation.Shard(job, '', number) for number in range(5)]
  for _ in preparation.processes(2)(shards):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='needs Linux')
def test_processes_end_when_their_parent_is_killed(tmp_path):
  script = tmp_path / 'script.py'
  script.write_text(ORPHANS)
  # Returns once every process that holds the pipes has ended; idle processes
  # would wait for ever.
  ended = subprocess.run(
    [sys.executable, script],
    capture_output=True,
    check=False,
    env={**os.environ, 'PYTHONPATH': ROOT},
    timeout=120,
  )
  assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_a_remote_source_gives_a_remote_set(videos, whole, bucket):
  shutil.copytree(videos, bucket / 'videos')
  source, out = 's3://bucket/videos', 's3://bucket/set'
  with pytest.raises(OSError, match='stopped'):
    preparation.prepare(job(source), out, stopping(1, OSError('stopped')))
  with pytest.raises(FileNotFoundError, match='not a clip set'):
    clip_set.verify(out)
  numbers = []
  preparation.prepare(job(source), out, recording(numbers))
  assert numbers == [1, 2, 3, 4]
  clip_set.verify(out)
  assert content(out) == content(whole)
  assert sorted(path.name for path in bucket.iterdir()) == ['set', 'videos']
  assert others(bucket / 'set') == ['index', 'manifest.json']
  with pytest.raises(ValueError, match='s3://bucket/set: already exists'):
    preparation.prepare(job(source), out, recording(numbers))


def test_files_of_others_in_a_remote_folder_are_kept(videos, tmp_path, bucket):
  (bucket / 'mine').mkdir()
  (bucket / 'mine' / 'precious.txt').write_text('precious')
  with pytest.raises(ValueError, match='s3://bucket/mine: already exists'):
    preparation.prepare(job(videos), 's3://bucket/mine', lambda shards: shards)
  source = tmp_path / 'bad'
  dummy_data.folder(source)
  (source / 'a' / 'groundtruth.txt').write_text('1,2,3\n')

  def careless(shards):
    (bucket / 'new' / 'notes.txt').write_text('kept')
    return map(preparation.write_shard, shards)

  with pytest.raises(ValueError, match='3 values, not 4'):
    preparation.prepare(job(source), 's3://bucket/new', careless)
  assert [path.name for path in (bucket / 'new').iterdir()] == ['notes.txt']
  assert (bucket / 'mine' / 'precious.txt').read_text() == 'precious'


def test_at_most_a_hundred_problems_are_kept(tmp_path):
  source = tmp_path / 'videos'
  for name in 'abc':
    images = source / name / 'img'
    images.mkdir(parents=True)
    for number in range(60):
      (images / f'{number:04d}.jpg').write_bytes(b'')
    (source / name / 'groundtruth.txt').write_text('1,2,9,9\n' * 60)
  (source / 'a' / 'img' / '0000.jpg').write_bytes(dummy_data.image(0))
  out = tmp_path / 'set'
  preparation.prepare(job(source), out, preparation.processes(1))
  manifest = clip_set.read_manifest(out)
  assert manifest['dropped'] == {'unreadable': 179}
  assert len(manifest['problems']) == 100


def test_two_tracks_of_one_name_are_refused(videos, tmp_path, monkeypatch):
  def twice(tree, unit):
    return folder.tracks(tree, unit) * 2

  monkeypatch.setattr(
    folder, 'SOURCE', folder.SOURCE._replace(per_shard=1, tracks=twice)
  )
  with pytest.raises(ValueError, match='two tracks have this name'):
    preparation.prepare(job(videos), tmp_path / 'set', preparation.processes(1))


def test_real_videos_are_prepared(real_data, tmp_path):
  source = real_data / 'sequences' / 'DAVIS'
  davis = preparation.Job('davis', str(source), Cut(stride=40, crop_size=127))
  preparation.prepare(davis, tmp_path / 'davis', preparation.processes(1))
  assert len(ClipSet(tmp_path / 'davis').track_first) >= 20
