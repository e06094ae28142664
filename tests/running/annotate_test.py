"""Tests of annotated videos: early ends, full disks, failing pictures."""

import csv
import itertools

import cv2
import numpy as np
import pytest

from acm_jax.datasets import image_files
from acm_jax.datasets.exports.target import Target
from acm_jax.datasets.video_files import Frame
from acm_jax.datasets.videos import Video
from acm_jax.host.staging import FullDiskError
from acm_jax.running import annotate, video_writer
from acm_jax.running.pictures import _Sample
from acm_jax.tracking.programs import Programs
from acm_jax.tracking.result import Result
from acm_jax.tracking.video_tracker import VideoTracker

BOX = np.array([[10, 10, 20, 20]], np.float32)
IMAGE = np.zeros((48, 64, 3), np.uint8)


class Failing(VideoTracker):
  """Repeats the first box for `count` frames, then raises `error`."""

  def __init__(self, count, error):
    self._count, self._error = count, error
    self.programs = Programs()

  def track(self, frames, boxes, *, ahead=1):
    for _ in itertools.islice(frames, self._count):
      yield [Result(box, 0.5, True, 0.2) for box in boxes]
    raise self._error


@pytest.fixture
def run(tmp_path):
  """Returns a function that annotates a video of nine frames."""

  def run(
    count=9, error=None, image=IMAGE, name='tracked.mp4', files=(), **options
  ):
    frames = (Frame(image, 2 * i, i / 5) for i in range(9))
    video = Video(frames, 10.0, 9, files=files)
    tracker = Failing(count, error or KeyboardInterrupt())
    tracked = annotate.follow(tracker, video, BOX)
    return annotate.annotate(
      tracked, video, tmp_path, tmp_path / name, **options
    )

  return run


def names(folder):
  return {path.name for path in folder.iterdir()}


def test_an_interrupt_keeps_the_tracked_frames(run, tmp_path):
  assert run(3).frames == 3
  rows = (tmp_path / 'boxes.csv').read_text().splitlines()
  assert rows[0] == annotate.HEADER
  assert rows[1:] == [
    f'{2 * i},0,10.000,10.000,20.000,20.000,0.500,1,0.200,{i / 5:.3f}'
    for i in range(3)
  ]
  capture = cv2.VideoCapture(str(tmp_path / 'tracked.mp4'))
  assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_what_is_known_from_key_frames_follows_in_further_columns(
  run, tmp_path
):
  boxes = dict.fromkeys((0, 6), tuple(BOX[0].tolist()))
  target = Target(boxes, 'horse, old', frozenset({0}), frozenset(boxes))
  run(5, targets=[target])
  with (tmp_path / 'boxes.csv').open() as file:
    header, *rows = csv.reader(file)
  assert ','.join(header) == f'{annotate.HEADER},category,key,occluded'
  # As in CVAT, a target is occluded up to its next key frame.
  known = [(0, '1', '1'), (2, '0', '1'), (4, '0', '1'), (6, '1', '0')]
  known.append((8, '0', '0'))
  assert [row[-3:] for row in rows] == [['horse, old', *k[1:]] for k in known]
  assert [int(row[0]) for row in rows] == [k[0] for k in known]


@pytest.mark.parametrize(
  ('count', 'error'),
  [(0, KeyboardInterrupt()), (3, ValueError('frame 3 is invalid'))],
  ids=['interrupt before the first frame', 'invalid frame'],
)
def test_a_failure_leaves_no_file(run, tmp_path, count, error):
  with pytest.raises(type(error)):
    run(count, error)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('name', ['a.mp4', 'a.webm', 'a.GIF', 'b/c/a.mp4'])
def test_the_video_has_the_name_and_format_of_its_path(run, tmp_path, name):
  found = run(name=name)
  files = tmp_path / 'boxes.csv', tmp_path / name, tmp_path / 'tracked.png'
  assert found.files == list(files)
  assert all(path.stat().st_size for path in files)


def test_an_unknown_format_is_refused_before_tracking(run, tmp_path):
  with pytest.raises(ValueError, match=r"a\.avi: unknown suffix '\.avi'"):
    run(error=AssertionError('tracked'), name='a.avi')
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('name', ['boxes.csv', 'tracked.mp4', 'tracked.png'])
def test_earlier_results_are_only_replaced_on_request(run, tmp_path, name):
  (tmp_path / name).write_text('mine')
  with pytest.raises(ValueError, match=rf'{name}: already exists.*`overwrite`'):
    run()
  assert names(tmp_path) == {name}
  assert (tmp_path / name).read_text() == 'mine'
  assert len(run(overwrite=True).files) == 3
  assert b'mine' not in (tmp_path / name).read_bytes()


@pytest.mark.parametrize('name', ['boxes.csv', 'tracked.mp4', 'tracked.png'])
def test_a_file_that_is_read_is_never_replaced(run, tmp_path, name):
  (tmp_path / name).write_text('mine')
  link = tmp_path / 'link'
  link.symlink_to(tmp_path / name)
  message = f'{name}: is read as part of `video`'
  with pytest.raises(ValueError, match=message):
    run(overwrite=True, files=[link])
  assert (tmp_path / name).read_text() == 'mine'


def test_nothing_is_written_next_to_the_images_of_the_video(run, tmp_path):
  images = [tmp_path / '1.png', tmp_path / '2.png']
  with pytest.raises(ValueError, match='would be written next to the images'):
    run(files=images)
  assert len(run(files=images[:1]).files) == 3


@pytest.mark.parametrize('name', ['boxes.csv', 'tracked.mp4', 'tracked.png'])
def test_a_folder_in_place_of_a_file_is_found_before_tracking(
  run, tmp_path, name
):
  (tmp_path / name).mkdir()
  with pytest.raises(ValueError, match=f'{name}: is a folder'):
    run(error=AssertionError('tracked'), overwrite=True)


@pytest.mark.parametrize(
  'fail', [OSError(5, 'Input/output error'), cv2.error('bad'), MemoryError()]
)
@pytest.mark.parametrize(
  ('part', 'lost'),
  [
    ((video_writer.VideoWriter, 'write'), 'tracked.mp4'),
    ((image_files, 'write'), 'tracked.png'),
  ],
  ids=['video', 'sheet'],
)
def test_a_picture_that_fails_is_a_warning(
  run, tmp_path, monkeypatch, caplog, part, lost, fail
):
  run()

  def failing(*_):
    raise fail

  monkeypatch.setattr(*part, failing)
  found = run(overwrite=True)
  assert found.frames == 9
  left = {'boxes.csv', 'tracked.mp4', 'tracked.png'} - {lost}
  # The picture of the earlier run is gone, too.
  assert {path.name for path in found.files} == names(tmp_path) == left
  assert len((tmp_path / 'boxes.csv').read_text().splitlines()) == 10
  assert len(caplog.messages) == 1
  assert f'{lost}: not written' in caplog.text


@pytest.mark.parametrize('shape', [(4, 9000), (9000, 4), (1, 1), (61, 83)])
def test_frames_of_any_size_can_be_drawn(run, shape):
  assert len(run(image=np.zeros((*shape, 3), np.uint8)).files) == 3


def test_on_a_full_disk_the_boxes_are_kept_and_the_video_is_named(
  run, tmp_path, limit_file_size
):
  noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
  with limit_file_size(8192), pytest.raises(FullDiskError) as caught:
    run(image=noise)
  assert caught.value.filename == str(tmp_path / 'tracked.mp4')
  assert names(tmp_path) == {'boxes.csv'}
  assert len((tmp_path / 'boxes.csv').read_text().splitlines()) == 10


def test_a_video_that_fills_the_disk_makes_room_for_the_boxes(
  run, tmp_path, limit_file_size, monkeypatch
):
  discard = annotate.Pictures.discard_video
  with limit_file_size(200) as end_limit:

    def discard_and_make_room(pictures, error):
      discard(pictures, error)
      end_limit()

    monkeypatch.setattr(
      annotate.Pictures, 'discard_video', discard_and_make_room
    )
    with pytest.raises(FullDiskError) as caught:
      run()
  assert caught.value.filename == str(tmp_path / 'tracked.mp4')
  rows = (tmp_path / 'boxes.csv').read_text().splitlines()
  assert [row.split(',')[0] for row in rows] == [
    'frame',
    *map(str, range(0, 18, 2)),
  ]
  assert names(tmp_path) == {'boxes.csv', 'tracked.png'}


def test_boxes_that_cannot_be_written_are_named(run, tmp_path, limit_file_size):
  with limit_file_size(200), pytest.raises(FullDiskError) as caught:
    run()
  assert caught.value.filename == str(tmp_path / 'boxes.csv')
  assert not list(tmp_path.iterdir())


class Recording(VideoTracker):
  """Repeats the first box, and notes the frames of each call."""

  def __init__(self):
    self.calls, self.programs = [], Programs()

  def compile(self, image, boxes):
    self.calls.append(int(image[0, 0, 0]))

  def track(self, frames, boxes, *, ahead=1):
    self.calls.append([])
    for frame in frames:
      self.calls[-1].append(int(frame[0, 0, 0]))
      yield [Result(box, 0.5, False, 0.2) for box in boxes]


def test_live_video_is_tracked_from_the_frame_after_compilation(tmp_path):
  frames = (Frame(IMAGE + np.uint8(i), i, i / 5) for i in range(4))
  tracker = Recording()
  video = Video(frames, 10.0, None, live=True)
  tracked = annotate.follow(tracker, video, BOX)
  found = annotate.annotate(tracked, video, tmp_path, tmp_path / 'tracked.mp4')
  assert found.frames == 3
  # The first frame is only used for compilation.
  assert tracker.calls == [0, [1, 2, 3]]
  rows = (tmp_path / 'boxes.csv').read_text().splitlines()
  assert rows[1].startswith('1,0,10.000')
  # Frames that were dropped leave their time: 0.2 to 0.6 s at 10 Hz.
  capture = cv2.VideoCapture(str(tmp_path / 'tracked.mp4'))
  assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 5


def first_pixels(sheet):
  return [cell[0, 0].astype(int) for cell in sheet.chosen()]


@pytest.mark.parametrize('count', [1, 5, 8, 16, 17, 1000])
def test_the_sheet_spans_a_video_of_any_length(count):
  sheet = _Sample()
  for i in range(count):
    sheet.add(np.full((2, 2, 3), (i // 256, i % 256, 0), np.uint8))
  chosen = [int(high) * 256 + low for high, low, _ in first_pixels(sheet)]
  assert len(chosen) == min(8, count)
  assert chosen == sorted(set(chosen))
  assert chosen[0] == 0
  # The length is unknown in advance, so up to an eighth at the end is missing.
  assert chosen[-1] >= (count - 1) * 7 / 8
