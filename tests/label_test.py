"""Tests of the command label, from its flags to a set that can be prepared."""

import pytest

from acm_jax import label
from acm_jax.datasets import sources
from acm_jax.datasets.trees import open_tree
from tests.data_pipelines import shots

FRAMES = 12


@pytest.fixture
def flags(tiny_run, tmp_path):
  """Returns a function that lists the flags of a valid `label` command.

  Its keyword arguments replace or add flags; a list repeats a flag, and None
  removes one.
  """
  video = shots.write(tmp_path / 'square', shots.moving_square(FRAMES))

  def flags(**changes):
    values = {
      'checkpoint': [tiny_run],
      'video': [video],
      'out': [tmp_path / 'out'],
      'targets': [2],
    }
    values |= {k: v if isinstance(v, list) else [v] for k, v in changes.items()}
    return [
      f'--{k}={v}' for k, vs in values.items() for v in vs if v is not None
    ]

  return flags


def test_a_video_becomes_sequences_and_a_summary(run_command, flags, tmp_path):
  # With thresholds of 0, even the passes of an untrained tracker agree.
  boxes = boxes_file(tmp_path, '0,40,90,40,40')
  argv = flags(overlap=0, score=0, boxes=boxes)
  code, printed, errors = run_command(label, *argv)
  assert code == 0, errors
  assert printed[-2].startswith(f'{tmp_path / "square"}: stretches: 1 followe')
  counts = f'tracks: 1 kept; labels: {FRAMES - 1}; frames: {FRAMES}, '
  assert printed[-1].startswith(f'all 1: stretches: 1 followed; {counts}')
  tree, source = open_tree(tmp_path / 'out'), sources.make('folder')
  (unit,) = source.units(tree)
  (track,) = source.tracks(tree, unit)
  assert len(track.box_xywh) == FRAMES - 1
  assert track.visible.all()


def boxes_file(folder, text):
  path = folder / 'boxes.csv'
  path.write_text(text)
  return path


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('', 'boxes.csv: the file has no rows'),
    ('frame,x,y,w,h\n0,1,2,30,40', 'row 1: '),
    ('0,1,2,30', 'row 1: 4 values, not 5'),
    ('0,1,2,30,40\n0.5,1,2,30,40', 'row 2: 0.5 is not a frame number; count'),
    ('-1,1,2,30,40', 'row 1: -1 is not a frame'),
    ('0,900,2,30,40', 'square frame 0: box 900,2,30,40 lies outside'),
    ('50,1,2,30,40', 'square: frame 50 does not exist or cannot be decoded'),
  ],
  ids=['empty', 'header', 'short', 'part', 'negative', 'outside', 'beyond'],
)
def test_invalid_boxes_are_refused(refuse, flags, tmp_path, text, message):
  refuse(label, *flags(boxes=boxes_file(tmp_path, text)), message=message)
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'video': None}, '--video missing'),
    ({'length': 8}, '--length=8: give 9 or more'),
    ({'overlap': 1}, '--overlap=1.0: give at least 0 and less than 1'),
    ({'boxes': ['a', 'b']}, '2 files of boxes for 1 videos: give one for each'),
    ({'boxes': 'none.csv'}, 'none.csv: no such annotation file'),
  ],
  ids=lambda value: value if isinstance(value, str) else '',
)
def test_an_invalid_request_is_refused(refuse, flags, changes, message):
  refuse(label, *flags(**changes), message=message)


def test_an_existing_output_folder_is_refused_and_unchanged(
  refuse, flags, tmp_path
):
  (tmp_path / 'out').mkdir()
  (tmp_path / 'out' / 'mine').touch()
  refuse(label, *flags(), message=f'{tmp_path / "out"}: already exists')
  assert [path.name for path in (tmp_path / 'out').iterdir()] == ['mine']


def test_an_unreadable_video_is_refused_before_tracking_starts(
  refuse, flags, tmp_path
):
  videos = [tmp_path / 'square', tmp_path / 'broken.mp4']
  message = f'{videos[1]}: no such video'
  refuse(label, *flags(video=videos), message=message)
  assert not (tmp_path / 'out').exists()


def test_a_video_that_is_too_short_fails_with_a_one_line_message(
  run_command, flags, tmp_path
):
  video = shots.write(tmp_path / 'short', shots.moving_square(8))
  code, _, errors = run_command(label, *flags(video=video))
  assert code == 1
  assert len(errors) == 1
  assert 'no track was kept: all 1: stretches: 1 too short' in errors[0]
