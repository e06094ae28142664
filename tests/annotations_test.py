"""Tests of the command annotations, from boxes to labels and sequences."""

import numpy as np
import pytest

from acm_jax import annotations, track
from acm_jax.datasets import exports, layouts
from acm_jax.datasets.sources import folder
from acm_jax.datasets.videos import open_video
from tests.data_pipelines import shots

FRAMES = 5
# The tracker loses target 1 in frame 2, and the table ends with frame 3.
TABLE = """frame,target,x,y,w,h,score,lost,margin,time
0,0,40,90,40,40,1.000,0,1.000,nan
0,1,10.125,20,30,40,1.000,0,1.000,nan
1,0,44,90,40,40,0.900,0,0.500,nan
1,1,11.5,20,30,40,0.900,0,0.500,nan
2,0,48,90,40,40,0.900,0,0.500,nan
2,1,12,20,30,40,0.100,1,0.000,nan
3,0,52,90,40,40,0.900,0,0.500,nan
3,1,13,20,30,40,0.900,0,0.500,nan
"""


@pytest.fixture
def flags(tmp_path):
  """Returns a function that lists flags; its keyword arguments change them."""
  (tmp_path / 'boxes.csv').write_text(TABLE)
  values = {
    'video': shots.write(tmp_path / 'clip', shots.moving_square(FRAMES)),
    'boxes': tmp_path / 'boxes.csv',
    'out': tmp_path / 'annotations.xml',
  }

  def flags(**changes):
    return [
      f'--{name}={value}'
      for name, given in (values | changes).items()
      for value in (given if isinstance(given, list) else [given])
    ]

  return flags


@pytest.mark.parametrize('name', ['annotations.xml', 'coco.json', 'gt.txt'])
def test_tracks_become_sequences_by_way_of_every_format(
  run_command, flags, tmp_path, name
):
  out = tmp_path / name
  code, printed, errors = run_command(annotations, *flags(out=out))
  assert code == 0, errors
  assert printed[-1] == f'7 boxes of 2 targets written to {out}'
  argv = flags(boxes=out, out=tmp_path / 'sequences')
  code, _, errors = run_command(annotations, *argv)
  assert code == 0, errors
  first, second = layouts.read('folder', tmp_path / 'sequences')
  np.testing.assert_array_equal(
    first.box_xywh, [shots.square_at(t) for t in range(4)]
  )
  np.testing.assert_array_equal(second.absent, [0, 0, 1, 0])
  np.testing.assert_array_equal(second.box_xywh[1], [11.5, 20, 30, 40])


def test_boxes_of_track_are_read(run_command, flags, tiny_run, tmp_path):
  code, _, errors = run_command(
    track,
    f'--checkpoint={tiny_run}',
    f'--video={tmp_path / "clip"}',
    '--box=40,90,40,40',
    f'--out={tmp_path}/tracked',
  )
  assert code == 0, errors
  argv = flags(boxes=tmp_path / 'tracked' / 'boxes.csv')
  code, _, errors = run_command(annotations, *argv, '--category=toy')
  assert code == 0, errors
  assert (
    '<track id="0" label="toy"' in (tmp_path / 'annotations.xml').read_text()
  )


def test_an_existing_file_is_replaced_only_on_request(
  run_command, refuse, flags, tmp_path
):
  (tmp_path / 'annotations.xml').write_text('mine')
  refuse(annotations, *flags(), message='annotations.xml: already exists; ch')
  assert (tmp_path / 'annotations.xml').read_text() == 'mine'
  assert run_command(annotations, *flags(), '--overwrite')[0] == 0
  assert (tmp_path / 'annotations.xml').read_text().startswith('<?xml')


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'out': 'a.csv'}, 'a.csv: unknown format to write; choose a name that en'),
    ({'boxes': 'a.csv'}, 'a.csv: no such '),
    ({'boxes': ['a.csv', 'b.csv']}, '2 files of boxes for 1 videos: give one'),
    (
      {'boxes': ['a.csv', 'b.csv'], 'video': ['a', 'b']},
      'annotations.xml: holds the annotations of one video; name a folder',
    ),
  ],
)
def test_an_invalid_request_is_refused(refuse, flags, changes, message):
  refuse(annotations, *flags(**changes), message=message)


@pytest.mark.parametrize('name', ['new/a.xml', 'new/sequences'])
def test_boxes_of_another_video_are_refused(refuse, flags, tmp_path, name):
  out = tmp_path / name
  short = shots.write(tmp_path / 'short', shots.moving_square(2))
  message = 'boxes.csv: has a box for frame 3, counted from 0, but short has 2 '
  refuse(annotations, *flags(video=short, out=out), message=message)
  rows = TABLE.replace('10.125,20', '5000,5000')
  (tmp_path / 'boxes.csv').write_text(rows)
  message = 'boxes.csv: frame 0, target 1: box 5000,5000,30,40 lies outside the'
  refuse(annotations, *flags(out=out), message=message)
  assert not list((tmp_path / 'new').iterdir())


def test_annotations_of_a_video_of_another_size_are_refused(
  run_command, refuse, flags, tmp_path
):
  for suffix in ('xml', 'json'):
    path = tmp_path / f'labels.{suffix}'
    assert run_command(annotations, *flags(out=path))[0] == 0
    text = path.read_text()
    # The height of the frames.
    path.write_text(text.replace('240', '1080'))
    assert text != path.read_text()
    message = f'labels.{suffix}: frame 0, target 0: the frame has 320 x 240 pix'
    argv = flags(boxes=path, out=tmp_path / 'sequences')
    refuse(annotations, *argv, message=message)


def test_frames_after_the_last_box_are_not_decoded(
  run_command, flags, tmp_path, caplog
):
  # Not an image, which would be warned of.
  (tmp_path / 'clip' / '0005.png').write_bytes(b'')
  for name in ('gt.txt', 'a.xml', 'a.json', 'sequences'):
    argv = flags(out=tmp_path / name)
    code, _, errors = run_command(annotations, *argv)
    assert code == 0, errors
    assert not caplog.messages


KEYS = """<annotations>
<track id="0" label="horse"><box frame="0" keyframe="1" outside="0" occluded="1"
  xtl="40" ytl="90" xbr="80" ybr="130"/><box frame="2" keyframe="1" outside="0"
  occluded="0" xtl="48" ytl="90" xbr="88" ybr="130"/></track>
<track id="1" label="rider, old"><box frame="1" keyframe="1" outside="0"
  xtl="10" ytl="20" xbr="60" ybr="70"/><box frame="3" keyframe="1" outside="0"
  xtl="11" ytl="20" xbr="61" ybr="70"/></track></annotations>"""


def test_labels_and_key_frames_return_from_tracking_between_them(
  run_command, flags, tiny_run, tmp_path
):
  (tmp_path / 'keys.xml').write_text(KEYS)
  clip, boxes = tmp_path / 'clip', tmp_path / 'tracked' / 'boxes.csv'
  code, _, errors = run_command(
    track,
    f'--checkpoint={tiny_run}',
    f'--video={clip}',
    f'--key_frames={tmp_path / "keys.xml"}',
    f'--out={boxes.parent}',
  )
  assert code == 0, errors
  given = exports.read(tmp_path / 'keys.xml', open_video(str(clip)))
  found = exports.read(boxes, open_video(str(clip)))
  for target, drawn in zip(found, given, strict=True):
    assert target.category == drawn.category
    assert target.given == drawn.given
    for frame in drawn.given:
      assert target.boxes[frame] == drawn.boxes[frame]
  assert found[0].occluded >= {0}
  assert not found[1].occluded
  argv = flags(boxes=boxes, category='other')
  code, _, errors = run_command(annotations, *argv)
  assert code == 0, errors
  back = exports.read(tmp_path / 'annotations.xml', open_video(str(clip)))
  assert [target.category for target in back] == ['horse', 'rider, old']


def mot(path, *rows):
  path.write_text('\n'.join(rows))
  return path


def test_every_target_becomes_a_sequence_of_its_frames(
  run_command, flags, tmp_path
):
  # Frames and pixels of MOT are counted from 1. Target 4 has no box in frame 3.
  boxes = mot(
    tmp_path / 'gt.txt',
    '2,4,45,91,40,40,1',
    '4,4,53,91,40,40,1',
    '1,9,1,2,30,30,1',
    '2,9,2,2,30,30,1',
  )
  out = tmp_path / 'sequences'
  code, printed, errors = run_command(annotations, *flags(boxes=boxes, out=out))
  assert code == 0, errors
  assert printed[-1] == f'4 boxes of 2 targets written to {out}'
  first, second = layouts.read('folder', out)
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
  run_command, refuse, flags, tmp_path
):
  frames = shots.moving_square(1)
  names = ['drive.2024', 'drive.2025']
  videos = [shots.write(tmp_path / name, frames) for name in names]
  rows = [f'1,{target},1,1,9,9,1' for target in range(2)]
  boxes = [mot(tmp_path / 'gt.txt', *rows)] * 2
  out = tmp_path / 'sequences'
  argv = flags(video=videos, boxes=boxes, out=out)
  code, _, errors = run_command(annotations, *argv)
  assert code == 0, errors
  video_of = folder.videos(path.name for path in out.iterdir())
  assert sorted(video_of.values()) == sorted(2 * names)
  argv = flags(video=videos[:1] * 2, boxes=boxes, out=out)
  message = '--video: two are called drive.2024; rename one'
  refuse(annotations, *argv, '--overwrite', message=message)
  # The sequences of the earlier run are still there.
  assert len(list(out.iterdir())) == 4
