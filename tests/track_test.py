"""Tests of the command track, from its flags to its files."""

import csv
import shutil
import socket
import subprocess
import sys

import cv2
import numpy as np
import pytest

from acm_jax import track
from acm_jax.datasets import videos
from acm_jax.datasets.video_files import Frame
from acm_jax.running import picking
from tests.datasets import stamped_videos

FILES = {'boxes.csv', 'tracked.mp4', 'tracked.png'}
HEADER = ['frame', 'target', 'x', 'y', 'w', 'h', 'score', 'lost', 'margin']
HEADER.append('time')


@pytest.fixture
def flags(tiny_run, sequences, tmp_path):
  """Returns a function that lists the flags of a valid `track` command.

  Its keyword arguments replace or add flags; None removes one.
  """

  def flags(**changes):
    values = {
      'checkpoint': tiny_run,
      'video': sequences / 'synthetic-0000' / 'img',
      'box': '30,40,50,60',
      'out': tmp_path / 'out',
    } | changes
    return [f'--{k}={v}' for k, v in values.items() if v is not None]

  return flags


def test_the_table_has_a_row_per_frame_and_target(run_command, flags, tmp_path):
  second = '--box=100.5\t80 40, 30'
  code, printed, errors = run_command(track, *flags(), second)
  assert code == 0, errors
  assert printed[-1].startswith('6 frames tracked')
  assert {path.name for path in (tmp_path / 'out').iterdir()} == FILES
  with (tmp_path / 'out' / 'boxes.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert list(rows[0]) == HEADER
  order = [(int(row['frame']), int(row['target'])) for row in rows]
  assert order == [(f, t) for f in range(6) for t in range(2)]
  assert [float(rows[1][k]) for k in 'xywh'] == [100.5, 80, 40, 30]
  numbers = np.array([[float(v) for v in row.values()] for row in rows])
  assert np.isfinite(numbers[:, :-1]).all()
  # Nothing is known about when images were taken.
  assert np.isnan(numbers[:, -1]).all()
  assert set(numbers[:, HEADER.index('lost')]) <= {0, 1}


def test_the_command_says_what_it_does_before_it_imports_jax(
  run_command, flags
):
  code = "import acm_jax.track, sys; sys.exit('jax' in sys.modules)"
  subprocess.run([sys.executable, '-c', code], check=True)
  _, printed, _ = run_command(track, *flags())
  assert printed[0].startswith('loading the tracker ')
  assert printed[1].startswith('tracking; ')


def test_the_written_video_has_the_frames_and_rate_of_the_input(
  run_command, flags, sequences, tmp_path
):
  folder = sequences / 'synthetic-0001' / 'img'
  code = cv2.VideoWriter_fourcc(*'mp4v')
  # A common frame rate that is no simple fraction.
  writer = cv2.VideoWriter(str(tmp_path / 'a.mp4'), code, 23.976, (320, 240))
  for path in sorted(folder.iterdir()):
    writer.write(cv2.imread(str(path)))
  writer.release()
  code, _, errors = run_command(track, *flags(video=tmp_path / 'a.mp4'))
  assert code == 0, errors
  capture = cv2.VideoCapture(str(tmp_path / 'out' / 'tracked.mp4'))
  shapes = []
  while (frame := capture.read()[1]) is not None:
    shapes.append(frame.shape)
  assert shapes == [(240, 320, 3)] * 6
  assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(23.976, abs=1e-2)


def test_rows_have_the_numbers_and_times_of_a_damaged_video(
  run_command, flags, tmp_path, monkeypatch, caplog
):
  path = stamped_videos.write(tmp_path / 'a.mkv')
  stamped_videos.cut(path, 0.3, 0.5)
  frames = list(videos.open_video(str(path)).frames)
  monkeypatch.setenv('HOME', str(tmp_path))
  argv = flags(video='~/a.mkv', box='30,20,40,40')
  code, _, errors = run_command(track, *argv)
  assert code == 0, errors
  assert f'a.mkv: {40 - len(frames)} of 40 frames cannot be' in caplog.text
  with (tmp_path / 'out' / 'boxes.csv').open() as file:
    rows = list(csv.DictReader(file))
  numbers = [stamped_videos.stamp(frame.image) for frame in frames]
  assert 20 < len(numbers) < 40
  assert [int(row['frame']) for row in rows] == numbers
  times = [float(row['time']) for row in rows]
  # Times are written in milliseconds.
  assert times == pytest.approx(np.array(numbers) / 25, abs=1e-3)


@pytest.mark.parametrize(
  ('box', 'message'),
  [
    ('1,2,3', "--box='1,2,3': give four numbers X,Y,W,H"),
    ('a,2,3,4', 'give four numbers'),
    ('', "--box='': give four numbers"),
    ('900,2,3,4', 'lies outside the frame of 320 x 240'),
    ('9,9,0,4', 'is less than a pixel wide or high'),
    ('9,9,nan,4', 'is not finite'),
  ],
)
def test_an_invalid_box_is_refused(refuse, flags, tmp_path, box, message):
  refuse(track, *flags(box=box), message=message)
  assert not list(tmp_path.rglob('*.*'))


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('missing.mp4', 'missing.mp4: no such video'),
    ('empty', 'empty: contains no images'),
  ],
)
def test_a_path_without_a_video_is_refused(
  refuse, flags, tmp_path, name, message
):
  (tmp_path / 'empty').mkdir()
  refuse(track, *flags(video=tmp_path / name), message=message)
  assert not (tmp_path / 'out').exists()


def truncate(path):
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_damaged_image_is_left_out(
  run_command, flags, sequences, tmp_path, caplog
):
  images = shutil.copytree(sequences / 'synthetic-0000' / 'img', tmp_path / 'v')
  paths = sorted(images.iterdir())
  for path in paths[2:4]:
    truncate(path)
  code, _, errors = run_command(track, *flags(video=images))
  assert code == 0, errors
  assert caplog.messages == [
    f'2 of {len(paths)} images cannot be read and are left out; the first: '
    f'{paths[2]}: cannot be decoded as an image; replace it with an intact copy'
  ]
  with (tmp_path / 'out' / 'boxes.csv').open() as file:
    numbers = [int(row['frame']) for row in csv.DictReader(file)]
  assert numbers == [i for i in range(len(paths)) if i not in (2, 3)]


def test_a_damaged_first_image_is_refused(refuse, flags, sequences, tmp_path):
  images = shutil.copytree(sequences / 'synthetic-0000' / 'img', tmp_path / 'v')
  truncate(min(images.iterdir()))
  message = 'cannot be decoded as an image'
  refuse(track, *flags(video=images), message=message)
  assert not list((tmp_path / 'out').iterdir())


def test_a_video_without_a_name_is_refused(refuse, flags):
  refuse(track, *flags(video=''), message='--video is empty; give a file')


def test_frames_may_change_their_size(run_command, flags, sequences, tmp_path):
  images = shutil.copytree(sequences / 'synthetic-0000' / 'img', tmp_path / 'v')
  paths = sorted(images.iterdir())
  cv2.imwrite(str(paths[2]), cv2.imread(str(paths[2]))[:200])
  larger = np.pad(cv2.imread(str(paths[4])), ((0, 60), (0, 80), (0, 0)))
  cv2.imwrite(str(paths[4]), larger)
  code, _, errors = run_command(track, *flags(video=images))
  assert code == 0, errors
  rows = (tmp_path / 'out' / 'boxes.csv').read_text().splitlines()
  assert len(rows) == 1 + len(paths)
  capture = cv2.VideoCapture(str(tmp_path / 'out' / 'tracked.mp4'))
  assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(paths)


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('99', 'error: camera 99: no frame could be read'),
    ('text.mp4', 'error: text.mp4: cannot be decoded as a video'),
  ],
)
def test_a_video_that_opencv_cannot_open_is_refused(
  run_command, flags, tmp_path, monkeypatch, name, message
):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'text.mp4').write_text('no video')
  code, _, errors = run_command(track, *flags(video=name))
  assert code == 2
  # OpenCV may print warnings first: always for cameras, and for files if a
  # previous test has used FFmpeg.
  assert errors[-1].startswith(message)
  assert not (tmp_path / 'out').exists()


def test_an_output_folder_that_is_a_file_is_refused(refuse, flags, tmp_path):
  (tmp_path / 'out').write_text('mine')
  refuse(track, *flags(), message=f'{tmp_path / "out"}: File exists')
  assert (tmp_path / 'out').read_text() == 'mine'


def remove(run):
  shutil.rmtree(run)


def empty(run):
  shutil.rmtree(run)
  run.mkdir()


def leave_unfinished(run):
  step = run / 'checkpoints' / '0'
  step.rename(step.with_name('0.orbax-checkpoint-tmp-0'))


def remove_arrays(run):
  shutil.rmtree(run / 'checkpoints' / '0' / 'model' / 'd')


def keep(run):
  pass


@pytest.mark.parametrize(
  ('damage', 'suffix', 'message'),
  [
    (remove, '', 'copy: no such folder'),
    (empty, '', 'copy: no config.json in it'),
    (leave_unfinished, '', 'copy: no finished checkpoint'),
    (remove_arrays, '', '0: the checkpoint is damaged'),
    (keep, '@7', 'copy: no step 7; choose one of the steps 0'),
  ],
  ids=lambda value: getattr(value, '__name__', ''),
)
def test_a_missing_or_damaged_checkpoint_is_refused(
  refuse, flags, tiny_run, tmp_path, damage, suffix, message
):
  copy = shutil.copytree(tiny_run, tmp_path / 'copy')
  damage(copy)
  refuse(track, *flags(checkpoint=f'{copy}{suffix}'), message=message)
  assert not (tmp_path / 'out').exists()


def test_an_earlier_result_is_refused_and_replaced_with_overwrite(
  run_command, refuse, flags, tmp_path
):
  (tmp_path / 'out').mkdir()
  (tmp_path / 'out' / 'boxes.csv').write_text('mine')
  refuse(
    track,
    *flags(),
    message='boxes.csv: already exists; choose another --out, or set '
    '--overwrite',
  )
  assert (tmp_path / 'out' / 'boxes.csv').read_text() == 'mine'
  movie = tmp_path / 'a.webm'
  changes = flags(video_out=movie)
  code, printed, errors = run_command(track, *changes, '--overwrite')
  assert code == 0, errors
  assert str(movie) in printed[-1]
  assert movie.stat().st_size
  left = {path.name for path in (tmp_path / 'out').iterdir()}
  assert left == {'boxes.csv', 'tracked.png'}


def test_the_video_to_track_in_is_never_replaced(refuse, flags, tmp_path):
  movie = stamped_videos.write(tmp_path / 'a.mp4')
  before = movie.read_bytes()
  for video in (movie, tmp_path / '*.mp4'):
    options = flags(video=video, video_out=movie)
    message = 'a.mp4: is read as part of --video'
    refuse(track, *options, '--overwrite', message=message)
  assert movie.read_bytes() == before


def test_missing_required_flags_are_named(refuse, flags):
  refuse(
    track, *flags(box=None), message='give one of --box, --select and --key'
  )
  refuse(track, message='--video missing: see --help')


def test_the_first_frame_is_written_with_coordinates_and_nothing_is_tracked(
  run_command, refuse, flags, tmp_path
):
  picture = tmp_path / 'new' / 'first.png'
  argv = flags(box=None, first_frame=picture, checkpoint='missing')
  code, printed, errors = run_command(track, *argv)
  assert code == 0, errors
  assert printed == [
    f'written: {picture}; give the box that you read off as --box X,Y,W,H'
  ]
  # Three times the frame, which is 320 x 240.
  assert cv2.imread(str(picture)).shape == (720, 960, 3)
  assert not (tmp_path / 'out').exists()
  refuse(track, *argv, message='first.png: already exists; choose another')


def test_the_first_frame_is_never_written_into_the_video(
  refuse, flags, sequences
):
  folder = sequences / 'synthetic-0000' / 'img'
  before = {path: path.read_bytes() for path in folder.iterdir()}
  for name, message in (
    ('0000.png', 'would be written next to the images of --video'),
    (min(before).name, 'is read as part of --video'),
  ):
    argv = flags(box=None, first_frame=folder / name)
    refuse(track, *argv, '--overwrite', message=message)
  assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_selected_boxes_are_tracked_and_printed(
  run_command, flags, tmp_path, monkeypatch
):
  def select(frame):
    assert frame.shape == (240, 320, 3)
    return np.array([[30, 40, 50, 60], [80, 20, 30, 30]], np.float32)

  monkeypatch.setattr(picking, 'check_window', lambda: None)
  monkeypatch.setattr(picking, 'select', select)
  code, printed, errors = run_command(track, *flags(box=None), '--select')
  assert code == 0, errors
  assert 'selected: --box 30,40,50,60 --box 80,20,30,30' in printed
  with (tmp_path / 'out' / 'boxes.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert len(rows) == 12
  assert [float(rows[1][k]) for k in 'xywh'] == [80, 20, 30, 30]


def test_a_live_target_is_tracked_from_the_frame_that_it_was_selected_in(
  run_command, flags, tmp_path, monkeypatch
):
  camera = iter([Frame(stamped_videos.stamped(n), n, n / 25) for n in range(9)])
  video = videos.Video(camera, 25.0, None, live=True)
  shown = []

  def select(frame):
    shown.append(stamped_videos.stamp(frame))
    # These frames pass while the user draws.
    assert [next(camera).number for _ in range(3)] == [2, 3, 4]
    return np.array([[20, 30, 30, 25], [60, 20, 40, 40]], np.float32)

  monkeypatch.setattr(track, 'open_video', lambda name: video)
  monkeypatch.setattr(picking, 'check_window', lambda: None)
  monkeypatch.setattr(picking, 'select', select)
  code, printed, errors = run_command(track, *flags(box=None), '--select')
  assert code == 0, errors
  # The tracker is loaded and compiled before the user draws.
  assert printed[0].startswith('loading the tracker ')
  assert shown == [1]
  with (tmp_path / 'out' / 'boxes.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert [int(row['frame']) for row in rows[::2]] == [1, 5, 6, 7, 8]
  assert [float(rows[0][k]) for k in 'xywh'] == [20, 30, 30, 25]
  assert [float(rows[1][k]) for k in 'xywh'] == [60, 20, 40, 40]


def test_without_a_window_select_says_what_to_do(refuse, flags):
  if cv2.currentUIFramework():
    pytest.skip('this OpenCV has windows')
  refuse(
    track,
    *flags(box=None),
    '--select',
    message='--select: OpenCV is installed without windows; replace '
    'opencv-python-headless by opencv-python',
  )


def test_a_live_page_in_use_is_refused_before_the_tracker_is_loaded(
  refuse, flags
):
  with socket.create_server(('127.0.0.1', 0)) as used:
    port = used.getsockname()[1]
    refuse(
      track,
      *flags(checkpoint='missing', port=port),
      '--live',
      message=f'--port={port}: is in use by another program',
    )


def test_the_address_of_the_live_page_is_printed(run_command, flags):
  code, printed, errors = run_command(track, *flags(port=0), '--live')
  assert code == 0, errors
  assert any(line.startswith('live: http://127.0.0.1:') for line in printed)


def test_targets_are_tracked_between_their_key_frames(
  run_command, flags, tmp_path
):
  table = tmp_path / 'keys.csv'
  table.write_text(
    'frame,target,x,y,w,h\n'
    '1,0,30,40,50,60\n4,0,32.125,41,50,60\n0,1,80,40,30,30\n2,1,81,40,30,30\n'
  )
  argv = flags(box=None, key_frames=table)
  code, printed, errors = run_command(track, *argv)
  assert code == 0, errors
  assert printed[-1].startswith('6 frames tracked')
  assert {path.name for path in (tmp_path / 'out').iterdir()} == FILES
  with (tmp_path / 'out' / 'boxes.csv').open() as file:
    rows = list(csv.DictReader(file))
  shown = [(int(row['frame']), int(row['target'])) for row in rows]
  assert shown == [(0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (4, 0)]
  assert [float(rows[-1][k]) for k in 'xywh'] == [32.125, 41, 50, 60]
  assert rows[-1]['lost'] == '0'
  capture = cv2.VideoCapture(str(tmp_path / 'out' / 'tracked.mp4'))
  assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 6


@pytest.mark.parametrize(
  ('rows', 'message'),
  [
    (
      '0,0,1,1,9,9',
      '--key_frames: target 0 has a box in 1 frames; give it',
    ),
    (
      '0,0,30,40,9,9\n9,0,30,40,9,9',
      'keys.csv: has a box for frame 9, counted from 0, but synthetic-0000 has',
    ),
    (
      '0,0,30,40,9,9\n3,0,900,40,9,9',
      '--key_frames: frame 3, target 0: box 900,40,9,9 lies outside the frame',
    ),
  ],
  ids=['single', 'beyond', 'outside'],
)
def test_invalid_key_frames_are_refused(refuse, flags, tmp_path, rows, message):
  table = tmp_path / 'keys.csv'
  table.write_text(f'frame,target,x,y,w,h\n{rows}\n')
  argv = flags(box=None, key_frames=table)
  refuse(track, *argv, message=message)
  assert not list((tmp_path / 'out').glob('*'))


def test_boxes_and_key_frames_exclude_each_other(refuse, flags):
  message = 'give one of --box, --select and --key_frames'
  refuse(track, *flags(key_frames='a.csv'), message=message)
