"""The track command, from the command line to its files."""

import csv
import shutil

import cv2
import numpy as np
import pytest

from acm_jax import track

FILES = {'boxes.csv', 'tracked.mp4', 'tracked.png'}
HEADER = ['frame', 'target', 'x', 'y', 'w', 'h', 'score', 'lost', 'margin']


@pytest.fixture
def given(tiny_run, sequences, tmp_path):
  """Flags of a good request; None takes one away."""

  def given(**changes):
    flags = {
      'checkpoint': tiny_run,
      'video': sequences / 'synthetic-0000' / 'img',
      'box': '30,40,50,60',
      'out': tmp_path / 'out',
    } | changes
    return [f'--{k}={v}' for k, v in flags.items() if v is not None]

  return given


def test_a_folder_and_two_boxes_give_a_row_a_frame_and_target(
  run_command, given, tmp_path
):
  argv = given(), '--box=100.5,80,40,30'
  code, printed, errors = run_command(track, *argv[0], argv[1])
  assert code == 0, errors
  assert printed[-1].startswith('6 frames: ')
  assert {path.name for path in (tmp_path / 'out').iterdir()} == FILES
  with (tmp_path / 'out' / 'boxes.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert list(rows[0]) == HEADER
  order = [(int(row['frame']), int(row['target'])) for row in rows]
  assert order == [(f, t) for f in range(6) for t in range(2)]
  assert [float(rows[1][k]) for k in 'xywh'] == [100.5, 80, 40, 30]
  numbers = np.array([[float(v) for v in row.values()] for row in rows])
  assert np.isfinite(numbers).all()
  assert set(numbers[:, HEADER.index('lost')]) <= {0, 1}


def test_a_video_file_gives_a_video_of_as_many_frames(
  run_command, given, sequences, tmp_path
):
  folder = sequences / 'synthetic-0001' / 'img'
  code = cv2.VideoWriter_fourcc(*'mp4v')
  # A rate as files have it, which no small fraction is.
  writer = cv2.VideoWriter(str(tmp_path / 'a.mp4'), code, 23.976, (320, 240))
  for path in sorted(folder.iterdir()):
    writer.write(cv2.imread(str(path)))
  writer.release()
  argv = given(video=tmp_path / 'a.mp4')
  assert run_command(track, *argv)[0] == 0
  capture = cv2.VideoCapture(str(tmp_path / 'out' / 'tracked.mp4'))
  shapes = []
  while (frame := capture.read()[1]) is not None:
    shapes.append(frame.shape)
  assert shapes == [(240, 320, 3)] * 6
  assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(23.976, abs=1e-2)


@pytest.mark.parametrize(
  ('box', 'message'),
  [
    ('1,2,3', "--box '1,2,3': give four numbers X,Y,W,H"),
    ('a,2,3,4', 'give four numbers'),
    ('', "--box '': give four numbers"),
    ('900,2,3,4', 'lies outside the frame of 320 x 240'),
    ('9,9,0,4', 'has no area'),
    ('9,9,nan,4', 'is not finite'),
  ],
)
def test_a_bad_box_is_refused(refuse, given, tmp_path, box, message):
  refuse(track, *given(box=box), message=message)
  assert not list(tmp_path.rglob('*.*'))


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('missing.mp4', 'missing.mp4: no such video'),
    ('empty', 'empty: no images in it'),
  ],
)
def test_what_is_no_video_is_refused(refuse, given, tmp_path, name, message):
  (tmp_path / 'empty').mkdir()
  refuse(track, *given(video=tmp_path / name), message=message)
  assert not (tmp_path / 'out').exists()


def half_an_image(path):
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def another_size(path):
  cv2.imwrite(str(path), cv2.imread(str(path))[:200])


@pytest.mark.parametrize(
  ('spoil', 'message'),
  [
    (half_an_image, 'cannot be decoded as an image'),
    (another_size, '320 x 200 pixels where the first frame has 320 x 240'),
  ],
  ids=['truncated', 'another size'],
)
def test_a_frame_that_is_unfit_leaves_no_file_behind(
  refuse, given, sequences, tmp_path, spoil, message
):
  images = shutil.copytree(sequences / 'synthetic-0000' / 'img', tmp_path / 'v')
  spoil(sorted(images.iterdir())[-1])
  refuse(track, *given(video=images), message=message)
  assert not list((tmp_path / 'out').iterdir())


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('99', 'error: camera 99: gives no frame'),
    ('text.mp4', 'error: text.mp4: cannot be decoded as a video'),
  ],
)
def test_what_opencv_cannot_open_is_refused(
  run_command, given, tmp_path, monkeypatch, name, message
):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'text.mp4').write_text('no video')
  code, _, errors = run_command(track, *given(video=name))
  assert code == 2
  # OpenCV warns of it, too: of cameras always, of files if a test before this
  # one has used FFmpeg.
  assert errors[-1].startswith(message)
  assert not (tmp_path / 'out').exists()


def test_an_out_that_is_a_file_is_named(refuse, given, tmp_path):
  (tmp_path / 'out').write_text('mine')
  refuse(track, *given(), message=f'{tmp_path / "out"}: File exists')
  assert (tmp_path / 'out').read_text() == 'mine'


def no_folder(run):
  shutil.rmtree(run)


def empty(run):
  shutil.rmtree(run)
  run.mkdir()


def unfinished(run):
  step = run / 'checkpoints' / '0'
  step.rename(step.with_name('0.orbax-checkpoint-tmp-0'))


def no_data(run):
  shutil.rmtree(run / 'checkpoints' / '0' / 'model' / 'd')


def whole(run):
  pass


@pytest.mark.parametrize(
  ('spoil', 'suffix', 'message'),
  [
    (no_folder, '', 'copy: no such folder'),
    (empty, '', 'copy: no config.json in it'),
    (unfinished, '', 'copy: no finished checkpoint'),
    (no_data, '', '0: the checkpoint is incomplete'),
    (whole, '@7', 'copy: no step 7, but 0'),
  ],
  ids=lambda value: getattr(value, '__name__', ''),
)
def test_a_checkpoint_that_is_not_whole_is_one_line(
  refuse, given, tiny_run, tmp_path, spoil, suffix, message
):
  copy = shutil.copytree(tiny_run, tmp_path / 'copy')
  spoil(copy)
  refuse(track, *given(checkpoint=f'{copy}{suffix}'), message=message)
  assert not (tmp_path / 'out').exists()


def test_required_flags_that_are_missing_are_named(refuse, given):
  refuse(track, *given(box=None), message='--box missing: see --help')
  refuse(track, message='--checkpoint, --video, --box missing: see --help')
