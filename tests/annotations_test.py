"""Tests of the command annotations, from boxes of track to labels and back."""

import numpy as np
import pytest

from acm_jax import annotations, track
from acm_jax.datasets import layouts
from data_pipelines import annotated
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
    return [f'--{k}={v}' for k, v in (values | changes).items()]

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
  code, _, errors = run_command(annotated, *argv)
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
  ],
)
def test_an_invalid_request_is_refused(refuse, flags, changes, message):
  refuse(annotations, *flags(**changes), message=message)


def test_boxes_of_another_video_are_refused(refuse, flags, tmp_path):
  short = shots.write(tmp_path / 'short', shots.moving_square(2))
  message = (
    f'{tmp_path / "boxes.csv"}: target 0 has a box for frame 2, counted from '
    '0, which short does not have or which cannot be decoded; give the video'
  )
  refuse(annotations, *flags(video=short), message=message)
  assert not (tmp_path / 'annotations.xml').exists()
