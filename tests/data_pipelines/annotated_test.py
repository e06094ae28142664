"""Tests of the command annotated, from exported boxes to sequences."""

import numpy as np
import pytest

from acm_jax.datasets import layouts
from acm_jax.datasets.sources import folder
from data_pipelines import annotated
from tests.data_pipelines import shots

FRAMES = 5


@pytest.fixture
def video(tmp_path):
  return shots.write(tmp_path / 'clip', shots.moving_square(FRAMES))


def mot(path, *rows):
  path.write_text('\n'.join(rows))
  return path


def run(run_command, tmp_path, **flags):
  flags = {'out': tmp_path / 'out', **flags}
  argv = [
    f'--{name}={value}'
    for name, values in flags.items()
    for value in (values if isinstance(values, list) else [values])
  ]
  return run_command(annotated, *argv)


def test_every_target_becomes_a_sequence_of_its_frames(
  run_command, tmp_path, video
):
  # Frames and pixels of MOT are counted from 1. Target 4 has no box in frame 3.
  boxes = mot(
    tmp_path / 'gt.txt',
    '2,4,45,91,40,40,1',
    '4,4,53,91,40,40,1',
    '1,9,1,2,30,30,1',
    '2,9,2,2,30,30,1',
  )
  code, printed, errors = run(run_command, tmp_path, video=video, boxes=boxes)
  assert code == 0, errors
  assert printed[-1] == f'2 sequences of 1 videos in {tmp_path / "out"}'
  first, second = layouts.read('folder', tmp_path / 'out')
  assert (first.name, second.name) == ('clip.000', 'clip.001')
  assert [path.stem for path in first.frame_paths] == [
    f'{number:06d}' for number in (1, 2, 3)
  ]
  np.testing.assert_array_equal(first.absent, [False, True, False])
  np.testing.assert_array_equal(first.box_xywh[0], shots.square_at(1))
  np.testing.assert_array_equal(first.box_xywh[2], shots.square_at(3))
  np.testing.assert_array_equal(second.box_xywh[1], [1, 1, 30, 30])
  # JPEG changes the levels of a flat square only a little.
  assert np.abs(first.frame(0)[95, 50].astype(int) - [230, 20, 20]).max() < 12
  # Both targets share the images of the same frames.
  assert first.frame_paths[0].samefile(second.frame_paths[1])


def test_targets_of_a_video_are_told_from_those_of_other_videos(
  run_command, tmp_path
):
  frames = shots.moving_square(1)
  names = ['drive.2024', 'drive.2025']
  videos = [shots.write(tmp_path / name, frames) for name in names]
  rows = [f'1,{target},1,1,9,9,1' for target in range(2)]
  boxes = [mot(tmp_path / 'gt.txt', *rows)] * 2
  code, _, errors = run(run_command, tmp_path, video=videos, boxes=boxes)
  assert code == 0, errors
  video_of = folder.videos(path.name for path in (tmp_path / 'out').iterdir())
  assert sorted(video_of.values()) == sorted(2 * names)


def test_a_box_after_the_end_of_the_video_is_refused(
  run_command, tmp_path, video
):
  boxes = mot(tmp_path / 'gt.txt', '1,1,1,1,9,9,1', '6,1,1,1,9,9,1')
  code, _, errors = run(run_command, tmp_path, video=video, boxes=boxes)
  assert code == 2
  assert errors == [
    f'error: {boxes}: has a box for frame 5, counted from 0, which {video} '
    'does not have or which cannot be decoded; give the video that was '
    'annotated'
  ]
  assert not (tmp_path / 'out').exists()


def test_two_videos_of_the_same_name_are_refused(run_command, tmp_path, video):
  boxes = mot(tmp_path / 'gt.txt', '1,1,1,1,9,9,1')
  code, _, errors = run(
    run_command, tmp_path, video=[video, video], boxes=[boxes, boxes]
  )
  assert code == 2
  assert 'another video is called clip too; rename one' in errors[0]


def test_every_video_needs_a_file_of_boxes(run_command, tmp_path, video):
  boxes = mot(tmp_path / 'gt.txt', '1,1,1,1,9,9,1')
  code, _, errors = run(
    run_command, tmp_path, video=[video, video], boxes=boxes
  )
  assert code == 2
  assert '1 files of boxes for 2 videos: give one for each' in errors[0]
