"""The prepare command: from official files to a clip set, and its check."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from acm_jax.datasets.sources import folder
from data_pipelines import (
  clip_set,
  clip_writer,
  preparation,
  prepare,
  synthetic,
)
from data_pipelines.builders import dummy_data
from data_pipelines.clip_set import ClipSet
from data_pipelines.clips import Cut

ROOT = Path(prepare.__file__).parents[1]


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
  """Five short sequences in the folder layout."""
  root = tmp_path_factory.mktemp('videos') / 'videos'
  synthetic.write_folder(root, sequences=5, frames=3, seed=0)
  return root


@pytest.fixture
def run_prepare(run_command):
  """Runs the command; gives its exit code, stdout and the lines of stderr."""

  def run(*argv):
    code, printed, errors = run_command(prepare, *argv)
    return code, '\n'.join(printed), errors

  return run


@pytest.fixture(autouse=True)
def one_video_a_shard(monkeypatch):
  monkeypatch.setattr(folder, 'SOURCE', folder.SOURCE._replace(per_shard=1))


def content(out):
  """What training reads of a clip set."""
  made = ClipSet(out)
  jpegs = [made.jpeg(i) for i in range(len(made.frame_number))]
  return jpegs, made.box.tolist(), made.track_name.tolist()


def job(source, **cut):
  return preparation.Job('folder', str(source), Cut(**{'crop_size': 63, **cut}))


@pytest.fixture(scope='module')
def whole(videos, tmp_path_factory):
  """The clip set of the sequences, made at one go."""
  out = tmp_path_factory.mktemp('whole') / 'set'
  preparation.prepare(job(videos), out, preparation.processes(1))
  return out


def test_a_set_is_prepared_checked_and_not_overwritten(
  videos, tmp_path, run_prepare
):
  out = tmp_path / 'sets' / 'own'
  flags = (
    '--dataset',
    'folder',
    '--source',
    videos,
    '--out',
    out,
    '--processes',
    1,
  )
  code, printed, errors = run_prepare(*flags, '--stride', 2)
  assert (code, errors) == (0, [])
  manifest = json.loads((out / 'manifest.json').read_text())
  # Of three frames, the first and the last.
  assert manifest['frames'] + sum(manifest['dropped'].values()) == 10
  assert f'{manifest["frames"]} frames of 5 tracks in {out}' in printed
  assert sorted(path.name for path in out.parent.iterdir()) == ['own']
  code, printed, errors = run_prepare('--out', out, '--check')
  assert (code, errors) == (0, [])
  assert printed == f'{manifest["frames"]} frames in {out}'

  code, _, errors = run_prepare(*flags)
  assert code == 2
  assert errors == [f'error: {out} is there already: remove it or name another']

  shard = out / 'clips-00002.tfrecord'
  shard.write_bytes(shard.read_bytes()[:-1] + b'?')
  code, _, errors = run_prepare('--out', out, '--check')
  assert code == 2
  assert len(errors) == 1
  assert 'clips-00002.tfrecord: damaged' in errors[0]


@pytest.mark.parametrize('name', [w.__name__ for w in dummy_data.SETS])
def test_every_set_is_prepared(tmp_path, run_prepare, name):
  source = Path(dummy_data.__file__).parent / name / 'dummy_data'
  out = tmp_path / name
  flags = ('--source', source, '--out', out, '--processes', 1)
  code, printed, errors = run_prepare(f'--dataset={name}', *flags)
  assert (code, errors) == (0, [])
  assert ClipSet(out).crop_size == 511
  assert 'frames of' in printed


def test_crops_are_cut_as_the_flags_say(videos, tmp_path, run_prepare):
  out = tmp_path / 'set'
  cut = ('--crop_size', 127, '--quality', 40, '--stride', 2)
  flags = ('--source', videos, '--out', out, '--processes', 1)
  assert run_prepare('--dataset=folder', *flags, *cut)[0] == 0
  manifest = clip_set.read_manifest(out)
  assert [manifest[k] for k in ('crop_size', 'quality', 'stride')] == [
    127,
    40,
    2,
  ]


@pytest.mark.parametrize('workers', ['two processes', 'beam'])
def test_other_workers_write_the_same(videos, whole, tmp_path, workers):
  if workers == 'beam':
    pytest.importorskip('apache_beam')
    made = preparation.beam(['--runner=DirectRunner'])
  else:
    made = preparation.processes(2)
  preparation.prepare(job(videos), tmp_path / 'set', made)
  assert content(tmp_path / 'set') == content(whole)


def test_a_failed_try_goes_on_where_it_stopped(videos, whole, tmp_path):
  written = []

  def failing(shards):
    for shard in shards:
      if shard.number == 3:
        raise OSError(errno.ENOSPC, 'No space left on device')
      written.append(shard.number)
      yield preparation.write_shard(shard)

  out = tmp_path / 'set'
  with pytest.raises(OSError, match='No space'):
    preparation.prepare(job(videos), out, failing)
  assert not out.exists()

  def counting(shards):
    written.extend(shard.number for shard in shards)
    return map(preparation.write_shard, shards)

  preparation.prepare(job(videos), out, counting)
  assert written == [0, 1, 2, 3, 4]
  assert content(out) == content(whole)
  assert [path.name for path in tmp_path.iterdir()] == ['set']


def test_a_try_that_fails_at_the_very_end_has_only_that_to_do_again(
  videos, whole, tmp_path, monkeypatch
):
  out = tmp_path / 'set'
  with monkeypatch.context() as patch:
    patch.setattr(clip_writer, 'remove_parts', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
      preparation.prepare(job(videos), out, preparation.processes(1))
  assert not out.exists()

  def nobody(shards):
    raise AssertionError(shards)

  preparation.prepare(job(videos), out, nobody)
  assert content(out) == content(whole)
  left = [p.name for p in out.iterdir() if not p.name.startswith('clips-')]
  assert sorted(left) == ['index', 'manifest.json']


def test_a_set_that_is_far_away_is_made_of_one_that_is(videos, whole, bucket):
  shutil.copytree(videos, bucket / 'videos')
  source, out = 's3://bucket/videos', 's3://bucket/set'

  def failing(shards):
    yield preparation.write_shard(shards[0])
    raise OSError('stopped')

  with pytest.raises(OSError, match='stopped'):
    preparation.prepare(job(source), out, failing)
  with pytest.raises(FileNotFoundError, match='no clip set'):
    clip_set.verify(out)

  def counting(shards):
    assert [shard.number for shard in shards] == [1, 2, 3, 4]
    return map(preparation.write_shard, shards)

  preparation.prepare(job(source), out, counting)
  clip_set.verify(out)
  assert content(out) == content(whole)
  assert sorted(path.name for path in bucket.iterdir()) == ['set', 'videos']
  left = [p.name for p in (bucket / 'set').iterdir()]
  assert sorted(name for name in left if 'clips-' not in name) == [
    'index',
    'manifest.json',
  ]
  with pytest.raises(ValueError, match='s3://bucket/set is there already'):
    preparation.prepare(job(source), out, counting)


def test_nothing_of_others_is_removed_far_away(videos, tmp_path, bucket):
  (bucket / 'mine').mkdir()
  (bucket / 'mine' / 'precious.txt').write_text('precious')
  with pytest.raises(ValueError, match='s3://bucket/mine is there already'):
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


@pytest.mark.parametrize('torn', ['clips-00001.tfrecord', 'part-00001.npz'])
def test_a_shard_that_is_torn_is_written_again(videos, whole, tmp_path, torn):
  def failing(shards):
    for shard in shards[:3]:
      yield preparation.write_shard(shard)
    raise OSError('stopped')

  out = tmp_path / 'set'
  with pytest.raises(OSError, match='stopped'):
    preparation.prepare(job(videos), out, failing)
  path = tmp_path / '.set.partial' / torn
  path.write_bytes(path.read_bytes()[:9])
  numbers = []

  def counting(shards):
    numbers.extend(shard.number for shard in shards)
    return map(preparation.write_shard, shards)

  preparation.prepare(job(videos), out, counting)
  assert numbers == [1, 3, 4]
  assert content(out) == content(whole)


def test_a_check_is_of_the_set_that_is_named(whole, run_prepare):
  assert run_prepare('--dataset=folder', '--out', whole, '--check')[0] == 0
  code, _, errors = run_prepare('--dataset=lasot', '--out', whole, '--check')
  assert code == 2
  assert 'made of folder, not of lasot' in errors[0]


def test_no_more_than_a_hundred_problems_are_kept(tmp_path):
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
  two = folder.SOURCE._replace(
    per_shard=1, tracks=lambda *given: folder.tracks(*given) * 2
  )
  monkeypatch.setattr(folder, 'SOURCE', two)
  with pytest.raises(ValueError, match='two tracks are called'):
    preparation.prepare(job(videos), tmp_path / 'set', preparation.processes(1))


ORPHANS = """
import os, signal, sys, time
from data_pipelines import clip_writer, preparation
from data_pipelines.clips import Cut
from acm_jax.datasets.sources import folder

if __name__ == '__main__':
  folder.SOURCE = folder.SOURCE._replace(per_shard=1)
  source, out = sys.argv[1:]
  job = preparation.Job('folder', source, Cut(crop_size=63))

  def killed(shards):
    for number in preparation.processes(2)(shards):
      os.kill(os.getpid(), signal.SIGKILL)
      yield number

  preparation.prepare(job, out, killed)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux can')
def test_workers_end_with_the_process_that_began_them(videos, tmp_path):
  script = tmp_path / 'script.py'
  script.write_text(ORPHANS)
  command = [sys.executable, str(script), str(videos), str(tmp_path / 'set')]
  environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
  # Ends when the last that holds its pipes does; idle workers wait for ever.
  ended = subprocess.run(
    command, capture_output=True, check=False, env=environment, timeout=120
  )
  assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_videos_are_left_out_by_name(tmp_path, run_prepare):
  source = Path(dummy_data.__file__).parent / 'got10k' / 'dummy_data'
  names, out = tmp_path / 'names.txt', tmp_path / 'set'
  flags = (
    '--dataset',
    'got10k',
    '--source',
    source,
    '--out',
    out,
    '--processes',
    1,
  )
  names.write_text('GOT-10k_Train_000002\n')
  assert run_prepare(*flags, '--exclude', names)[0] == 0
  assert ClipSet(out).track_name.tolist() == ['GOT-10k_Train_000001']
  shutil.rmtree(out)
  names.write_text('GOT-10k_Train_000001\nGOT-10k_Train_000002\n')
  _, _, errors = run_prepare(*flags, '--exclude', names)
  assert 'nothing of got10k in it' in errors[0]
  names.write_text('GOT-10k_Train_999999\n')
  code, _, errors = run_prepare(*flags, '--exclude', names)
  assert code == 2
  assert len(errors) == 1
  assert 'no video is called GOT-10k_Train_999999' in errors[0]
  code, _, errors = run_prepare(*flags, '--exclude', tmp_path / 'none')
  assert (code, errors) == (
    2,
    [f'error: --exclude={tmp_path / "none"}: no such file'],
  )


KILLED = """
import os, signal, sys
from data_pipelines import clip_writer, preparation
from data_pipelines.clips import Cut
from acm_jax.datasets.sources import folder

folder.SOURCE = folder.SOURCE._replace(per_shard=1)
moment, source, out = sys.argv[1:]
save = getattr(clip_writer.np, 'savez')
done = []

def killing(file, **columns):
  done.append(file)
  if len(done) == 3 and moment == 'before the part':
    os.kill(os.getpid(), signal.SIGKILL)
  save(file, **columns)
  if len(done) == 3:
    os.kill(os.getpid(), signal.SIGKILL)

clip_writer.np.savez = killing
job = preparation.Job('folder', source, Cut(crop_size=63))
preparation.prepare(job, out, preparation.processes(1))
"""


@pytest.mark.parametrize('moment', ['before the part', 'in the part'])
def test_a_killed_try_loses_and_doubles_no_track(
  videos, whole, tmp_path, moment
):
  out = tmp_path / 'set'
  command = [sys.executable, '-c', KILLED, moment, str(videos), str(out)]
  ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
  assert ended.returncode == -signal.SIGKILL, ended.stderr
  assert not out.exists()
  preparation.prepare(job(videos), out, preparation.processes(1))
  assert content(out) == content(whole)
  left = [p.name for p in out.iterdir() if not p.name.startswith('clips-')]
  assert sorted(left) == ['index', 'manifest.json']


def test_what_another_job_left_is_not_taken(videos, tmp_path):
  out = tmp_path / 'set'

  def one(shards):
    yield preparation.write_shard(shards[0])
    raise OSError('stopped')

  with pytest.raises(OSError, match='stopped'):
    preparation.prepare(job(videos), out, one)
  with pytest.raises(ValueError, match='earlier try with other settings'):
    preparation.prepare(
      job(videos, crop_size=127), out, preparation.processes(1)
    )


def test_two_processes_do_not_write_the_same_set(videos, tmp_path):
  def again(shards):
    with pytest.raises(ValueError, match='another process is writing it'):
      preparation.prepare(
        job(videos), tmp_path / 'set', preparation.processes(1)
      )
    return map(preparation.write_shard, shards)

  preparation.prepare(job(videos), tmp_path / 'set', again)
  assert [path.name for path in tmp_path.iterdir()] == ['set']


def test_a_malformed_annotation_leaves_nothing(videos, tmp_path, run_prepare):
  source = tmp_path / 'videos'
  dummy_data.folder(source)
  (source / 'a' / 'groundtruth.txt').write_text('1,2,3\n')
  flags = ('--source', source, '--out', tmp_path / 'set', '--processes', 1)
  code, _, errors = run_prepare('--dataset=folder', *flags)
  assert code == 2
  assert len(errors) == 1
  assert 'a/groundtruth.txt row 1: 3 values, not 4' in errors[0]
  assert [path.name for path in tmp_path.iterdir()] == ['videos']


@pytest.mark.parametrize('content', [b'', b'\xff\xd8torn', None])
def test_an_unreadable_frame_is_counted_and_named(
  tmp_path, run_prepare, content
):
  source, out = tmp_path / 'videos', tmp_path / 'set'
  dummy_data.folder(source)
  frame = source / 'a' / 'img' / '0001.jpg'
  frame.write_bytes(b'' if content is None else content)
  flags = ('--source', source, '--out', out, '--processes', 1, '--stride', 1)
  code, printed, errors = run_prepare('--dataset=folder', *flags)
  assert (code, errors) == (0, [])
  assert f'warning: {frame}: cannot be decoded' in printed
  manifest = json.loads((out / 'manifest.json').read_text())
  assert manifest['dropped'] == {'absent': 1, 'unreadable': 1}


def test_the_layouts_are_shown(run_prepare):
  code, printed, _ = run_prepare('--list')
  assert code == 0
  assert 'full_occlusion.txt' in printed


@pytest.mark.parametrize(
  ('argv', 'message'),
  [
    (['--dataset=davis', '--out', 'o'], '--source missing: see --help'),
    (
      ['--dataset=davis', '--source', 'nowhere'],
      '--out missing: see --help',
    ),
    (
      ['--dataset=otb', '--source', '.', '--out', 'o'],
      '--dataset=otb: value should be one of',
    ),
    (
      ['--dataset=davis', '--source', 'nowhere', '--out', 'o'],
      'nowhere: no such folder',
    ),
    (
      ['--dataset=folder', '--source', '.', '--out', 'o'],
      'no sequence with a folder',
    ),
    (['--dataset=folder', '--out', 'o', '--check'], 'o: no clip set'),
    (
      [
        '--dataset',
        'folder',
        '--source',
        '.',
        '--out',
        'o',
        '--processes',
        '0',
      ],
      '--processes=0: at least 1',
    ),
    (
      ['--dataset=folder', '--source', '.', '--out', 'o', '--stride', '0'],
      'stride and crop_size 1 or more',
    ),
  ],
)
def test_a_wrong_request_is_one_line_and_writes_nothing(
  tmp_path, monkeypatch, run_prepare, argv, message
):
  monkeypatch.chdir(tmp_path)
  code, _, errors = run_prepare(*argv)
  assert code == 2
  assert len(errors) == 1
  assert errors[0].startswith('error: ')
  assert message in errors[0]
  assert not list(tmp_path.iterdir())


def test_help_shows_an_example(run_prepare):
  code, printed, _ = run_prepare('--help')
  assert code == 0
  assert 'python -m data_pipelines.prepare --dataset got10k --source' in printed


def test_a_full_disk_is_work_that_failed(
  videos, tmp_path, monkeypatch, run_prepare
):
  def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'shard')

  monkeypatch.setattr(clip_writer, 'write_shard', full)
  flags = ('--source', videos, '--out', tmp_path / 'o', '--processes', 1)
  code, _, errors = run_prepare('--dataset=folder', *flags)
  assert code == 1
  assert len(errors) == 1
  assert errors[0] == 'error: shard: No space left on device'
  assert not list(tmp_path.iterdir())


def test_real_video_is_prepared(real_data, tmp_path):
  source = real_data / 'sequences' / 'DAVIS'
  cut = Cut(stride=40, crop_size=127)
  made = preparation.Job('davis', str(source), cut)
  preparation.prepare(made, tmp_path / 'davis', preparation.processes(1))
  assert len(ClipSet(tmp_path / 'davis').track_first) >= 20
