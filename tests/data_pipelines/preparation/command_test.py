"""The command `prepare`: preparing and verifying clip sets."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from data_pipelines import clip_set, clip_writer
from data_pipelines.builders import dummy_data
from data_pipelines.clip_set import ClipSet

DUMMY = Path(dummy_data.__file__).parent


def flags(dataset, source, out):
  argv = ('--dataset', dataset, '--source', source, '--out', out)
  return (*argv, '--processes', 1)


def test_a_set_is_prepared_checked_and_not_overwritten(
  videos, tmp_path, run_prepare
):
  out = tmp_path / 'sets' / 'own'
  argv = flags('folder', videos, out)
  code, printed, errors = run_prepare(*argv, '--stride', 2)
  assert (code, errors) == (0, [])
  manifest = json.loads((out / 'manifest.json').read_text())
  # The first and the last of three frames in each of five videos.
  assert manifest['frames'] + sum(manifest['dropped'].values()) == 10
  assert f'{manifest["frames"]} frames of 5 tracks in {out}' in printed
  assert [path.name for path in out.parent.iterdir()] == ['own']
  code, printed, errors = run_prepare('--out', out, '--check')
  assert (code, errors) == (0, [])
  assert printed == f'{manifest["frames"]} frames in {out}'

  code, _, errors = run_prepare(*argv)
  assert code == 2
  assert errors == [
    f'error: {out}: already exists; remove it or name another folder'
  ]

  shard = out / 'clips-00002.tfrecord'
  shard.write_bytes(shard.read_bytes()[:-1] + b'?')
  code, _, errors = run_prepare('--out', out, '--check')
  assert code == 2
  assert len(errors) == 1
  assert 'clips-00002.tfrecord: damaged' in errors[0]


@pytest.mark.parametrize('name', [w.__name__ for w in dummy_data.SETS])
def test_every_set_is_prepared(tmp_path, run_prepare, name):
  out = tmp_path / name
  code, printed, errors = run_prepare(
    *flags(name, DUMMY / name / 'dummy_data', out)
  )
  assert (code, errors) == (0, [])
  assert ClipSet(out).crop_size == 511
  assert 'frames of' in printed


def test_flags_set_the_size_quality_and_stride_of_crops(
  videos, tmp_path, run_prepare
):
  cut = {'crop_size': 127, 'quality': 40, 'stride': 2}
  argv = [f'--{name}={value}' for name, value in cut.items()]
  assert run_prepare(*flags('folder', videos, tmp_path / 'set'), *argv)[0] == 0
  manifest = clip_set.read_manifest(tmp_path / 'set')
  assert {name: manifest[name] for name in cut} == cut


def test_the_check_compares_the_data_set(whole, run_prepare):
  assert run_prepare('--dataset=folder', '--out', whole, '--check')[0] == 0
  code, _, errors = run_prepare('--dataset=lasot', '--out', whole, '--check')
  assert code == 2
  assert 'made from folder, not lasot; correct --dataset or' in errors[0]


def test_videos_are_left_out_by_name(tmp_path, run_prepare):
  names, out = tmp_path / 'names.txt', tmp_path / 'set'
  argv = flags('got10k', DUMMY / 'got10k' / 'dummy_data', out)
  names.write_bytes('GOT-10k_Train_000002\r\n'.encode('utf-8-sig'))
  for exclude in (names, 'GOT-10k_Train_000002'):
    assert run_prepare(*argv, '--exclude', exclude)[0] == 0
    assert ClipSet(out).track_name.tolist() == ['GOT-10k_Train_000001']
    shutil.rmtree(out)
  names.write_text('GOT-10k_Train_000001\nGOT-10k_Train_000002\n')
  _, _, errors = run_prepare(*argv, '--exclude', names)
  assert 'no video or image of got10k to prepare' in errors[0]
  names.write_text('GOT-10k_Train_999999\n')
  code, _, errors = run_prepare(*argv, '--exclude', names)
  assert code == 2
  assert len(errors) == 1
  wrong = f'GOT-10k_Train_999999 from {names} (nearest: GOT-10k_Train_0'
  assert f'called {wrong}' in errors[0]
  code, _, errors = run_prepare(*argv, '--exclude', tmp_path / 'none')
  assert code == 2
  assert f'called {tmp_path / "none"}; correct --exclude, which' in errors[0]


def test_the_cause_is_named_if_no_image_can_be_read(tmp_path, run_prepare):
  source = tmp_path / 'videos'
  dummy_data.folder(source)
  for path in source.rglob('*.jpg'):
    path.write_bytes(b'version https://git-lfs.github.com/spec/v1')
  argv = flags('folder', source, tmp_path / 'set')
  code, _, errors = run_prepare(*argv)
  assert code == 2
  assert len(errors) == 1
  assert 'set: no track has a frame to write: left out: ' in errors[0]
  assert 'unreadable' in errors[0]
  assert '.jpg: cannot be decoded as an image' in errors[0]
  assert [path.name for path in tmp_path.iterdir()] == ['videos']
  dummy_data.folder(source)
  assert run_prepare(*argv)[0] == 0
  assert len(ClipSet(tmp_path / 'set').frame_number) == 2


@pytest.mark.parametrize('given', ['videos/a', 'videos/a/img', '.'])
def test_a_source_that_is_a_level_off_is_told_the_right_folder(
  tmp_path, run_prepare, given
):
  dummy_data.folder(tmp_path / 'videos')
  (tmp_path / 'other').mkdir()
  # By chance, a folder above also has a folder img.
  (tmp_path.parent / 'x' / 'img').mkdir(parents=True, exist_ok=True)
  argv = flags('Folder', tmp_path / given, tmp_path / 'set')
  code, _, errors = run_prepare(*argv)
  assert code == 2
  assert len(errors) == 1
  meant = f'{tmp_path / "videos"} has videos or images of folder: give that'
  assert meant in errors[0]


def test_a_malformed_annotation_leaves_nothing(tmp_path, run_prepare):
  source = tmp_path / 'videos'
  dummy_data.folder(source)
  (source / 'a' / 'groundtruth.txt').write_text('1,2,3\n')
  code, _, errors = run_prepare(*flags('folder', source, tmp_path / 'set'))
  assert code == 2
  assert len(errors) == 1
  assert 'a/groundtruth.txt row 1: 3 values, not 4' in errors[0]
  assert [path.name for path in tmp_path.iterdir()] == ['videos']


@pytest.mark.parametrize(
  'content', [b'', b'\xff\xd8torn'], ids=['empty', 'torn']
)
def test_an_unreadable_frame_is_counted_and_named(
  tmp_path, run_prepare, content
):
  source, out = tmp_path / 'videos', tmp_path / 'set'
  dummy_data.folder(source)
  frame = source / 'a' / 'img' / '0001.jpg'
  frame.write_bytes(content)
  code, printed, errors = run_prepare(
    *flags('folder', source, out), '--stride', 1
  )
  assert (code, errors) == (0, [])
  assert f'warning: {frame}: cannot be decoded' in printed
  manifest = json.loads((out / 'manifest.json').read_text())
  assert manifest['dropped'] == {'absent': 1, 'unreadable': 1}


def test_a_set_without_a_usable_box_is_prepared_after_its_repair(
  tmp_path, run_prepare
):
  source = tmp_path / 'videos'
  dummy_data.folder(source)
  for path in source.rglob('groundtruth.txt'):
    path.write_text('3,4,0,0\n' * 2)
  argv = flags('folder', source, tmp_path / 'set')
  code, _, errors = run_prepare(*argv)
  assert code == 2
  assert 'left out: 2 degenerate; check the annotations' in errors[0]
  dummy_data.folder(source)
  assert run_prepare(*argv)[0] == 0


def test_the_layouts_are_listed(run_prepare):
  code, printed, _ = run_prepare('--list')
  assert code == 0
  assert 'full_occlusion.txt' in printed


FOLDER = ['--dataset=folder', '--source=.', '--out=o']


@pytest.mark.parametrize(
  ('argv', 'message'),
  [
    (['--dataset=davis', '--out=o'], '--source: missing; preparing needs'),
    (['--dataset=davis', '--source=nowhere'], '--out: missing; give'),
    (
      ['--dataset=otb', '--source=.', '--out=o'],
      '--dataset=otb: value should be one of',
    ),
    (
      ['--dataset=davis', '--source=nowhere', '--out=o'],
      'nowhere: no such folder',
    ),
    (FOLDER, 'no sequence with a folder'),
    (['--dataset=folder', '--out=o', '--check'], 'o: not a clip set'),
    ([*FOLDER, '--processes=0'], '--processes=0: must be at least 1'),
    ([*FOLDER, '--stride=0'], '--stride=0: must be at least 1'),
  ],
)
def test_an_invalid_request_is_one_line_and_writes_nothing(
  tmp_path, monkeypatch, run_prepare, argv, message
):
  monkeypatch.chdir(tmp_path)
  code, _, errors = run_prepare(*argv)
  assert code == 2
  assert len(errors) == 1
  assert errors[0].startswith('error: ')
  assert message in errors[0]
  assert not list(tmp_path.iterdir())


def test_the_help_shows_an_example(run_prepare):
  code, printed, _ = run_prepare('--help')
  assert code == 0
  assert 'prepare --dataset got10k --source' in printed


def test_a_full_disk_is_a_failure_not_an_invalid_request(
  videos, tmp_path, monkeypatch, run_prepare
):
  def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'shard')

  monkeypatch.setattr(clip_writer, 'write_shard', full)
  code, _, errors = run_prepare(*flags('folder', videos, tmp_path / 'o'))
  assert (code, errors) == (1, ['error: shard: No space left on device'])
  assert not list(tmp_path.iterdir())
