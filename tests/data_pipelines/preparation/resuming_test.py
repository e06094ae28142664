"""Interrupted preparation resumes without losing or repeating a shard."""

import shutil

import pytest

from data_pipelines import clip_set, clip_writer, preparation
from tests.data_pipelines.preparation import forks
from tests.data_pipelines.preparation.jobs import (
  content,
  job,
  others,
  recording,
  stopping,
)


def test_a_failed_run_resumes_at_the_failed_shard(videos, whole, tmp_path):
  out, written = tmp_path / 'set', []
  with pytest.raises(OSError, match='No space'):
    preparation.prepare(
      job(videos), out, stopping(3, OSError('No space'), written)
    )
  assert not out.exists()
  preparation.prepare(job(videos), out, recording(written))
  assert written == [0, 1, 2, 3, 4]
  assert content(out) == content(whole)
  assert [path.name for path in tmp_path.iterdir()] == ['set']


def test_a_run_that_fails_at_the_very_end_writes_no_shard_again(
  videos, whole, tmp_path, monkeypatch
):
  out = tmp_path / 'set'
  with monkeypatch.context() as patch:
    patch.setattr(clip_writer, 'remove_parts', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
      preparation.prepare(job(videos), out, preparation.processes(1))
  assert not out.exists()
  written = []
  preparation.prepare(job(videos), out, recording(written))
  assert written == []
  assert content(out) == content(whole)
  assert others(out) == ['index', 'manifest.json']


@pytest.mark.parametrize('torn', ['clips-00001.tfrecord', 'part-00001.npz'])
def test_a_truncated_shard_is_written_again(videos, whole, tmp_path, torn):
  out = tmp_path / 'set'
  with pytest.raises(OSError, match='stopped'):
    preparation.prepare(job(videos), out, stopping(3, OSError('stopped')))
  path = tmp_path / '.set.partial' / torn
  path.write_bytes(path.read_bytes()[:9])
  written = []
  preparation.prepare(job(videos), out, recording(written))
  assert written == [1, 3, 4]
  assert content(out) == content(whole)


def test_a_shard_with_an_unreadable_image_is_written_again(
  videos, whole, tmp_path
):
  source, out, written = tmp_path / 'videos', tmp_path / 'set', []
  shutil.copytree(videos, source)
  image = sorted(source.rglob('*.jpg'))[3]
  intact = image.read_bytes()
  image.write_bytes(b'')
  with pytest.raises(OSError, match='stopped'):
    preparation.prepare(
      job(source), out, stopping(3, OSError('stopped'), written)
    )
  image.write_bytes(intact)
  preparation.prepare(job(source), out, recording(written))
  assert written == [0, 1, 2, 1, 3, 4]
  assert content(out) == content(whole)
  assert clip_set.read_manifest(out)['problems'] == []


@pytest.mark.parametrize('moment', forks.MOMENTS)
def test_a_killed_run_loses_and_repeats_no_track(videos, whole, forked, moment):
  out = forked / moment / 'set'
  assert not out.exists()
  preparation.prepare(job(videos), out, preparation.processes(1))
  assert content(out) == content(whole)
  assert others(out) == ['index', 'manifest.json']


def test_shards_of_another_job_are_refused(videos, tmp_path):
  out = tmp_path / 'set'
  with pytest.raises(OSError, match='stopped'):
    preparation.prepare(job(videos), out, stopping(1, OSError('stopped')))
  with pytest.raises(ValueError, match='earlier run with other settings'):
    preparation.prepare(
      job(videos, crop_size=127), out, preparation.processes(1)
    )


def test_a_second_process_cannot_write_the_same_set(videos, tmp_path):
  def again(shards):
    with pytest.raises(ValueError, match='another process is writing to it'):
      preparation.prepare(
        job(videos), tmp_path / 'set', preparation.processes(1)
      )
    return map(preparation.write_shard, shards)

  preparation.prepare(job(videos), tmp_path / 'set', again)
  assert [path.name for path in tmp_path.iterdir()] == ['set']
