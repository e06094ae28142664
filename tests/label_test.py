"""The label command, from the command line to a set that training reads."""

import pytest

from acm_jax import label
from acm_jax.datasets import sources
from acm_jax.datasets.trees import open_tree
from tests.data_pipelines import shots

FRAMES = 12


@pytest.fixture
def given(tiny_run, tmp_path):
  """Flags of a good request; None takes one away, and a list repeats one."""
  video = shots.write(tmp_path / 'square', shots.moving_square(FRAMES))

  def given(**changes):
    flags = {
      'checkpoint': [tiny_run],
      'video': [video],
      'out': [tmp_path / 'out'],
      'targets': [2],
    }
    flags |= {k: v if isinstance(v, list) else [v] for k, v in changes.items()}
    return [
      f'--{k}={v}' for k, vs in flags.items() for v in vs if v is not None
    ]

  return given


def test_a_video_becomes_sequences_and_a_summary(run_command, given, tmp_path):
  # An untrained tracker agrees with itself only when nearly anything agrees.
  argv = given(overlap=0, score=0, boxes=boxes_file(tmp_path, '0,40,90,40,40'))
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
    ('', 'boxes.csv: no boxes in it'),
    ('frame,x,y,w,h\n0,1,2,30,40', 'row 1: '),
    ('0,1,2,30', 'row 1: 4 values, not 5'),
    ('0,1,2,30,40\n0.5,1,2,30,40', 'row 2: frame 0.5; count frames in whole'),
    ('-1,1,2,30,40', 'row 1: frame -1'),
    ('0,900,2,30,40', 'square frame 0: box 900,2,30,40 lies outside'),
    ('50,1,2,30,40', 'square: ends before frame 50'),
  ],
  ids=['empty', 'header', 'short', 'part', 'negative', 'outside', 'beyond'],
)
def test_boxes_that_cannot_be_used_are_refused(
  refuse, given, tmp_path, text, message
):
  refuse(label, *given(boxes=boxes_file(tmp_path, text)), message=message)
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'video': None}, '--video missing'),
    ({'length': 8}, 'length=8: give 9 or more'),
    ({'overlap': 1}, 'overlap=1.0: give at least 0 and less than 1'),
    ({'boxes': ['a', 'b']}, '2 files of boxes for 1 videos: give one for each'),
    ({'boxes': 'none.csv'}, 'none.csv: missing annotation file'),
  ],
  ids=lambda value: value if isinstance(value, str) else '',
)
def test_a_bad_request_is_refused(refuse, given, changes, message):
  refuse(label, *given(**changes), message=message)


def test_an_out_that_exists_is_refused_and_left_alone(refuse, given, tmp_path):
  (tmp_path / 'out').mkdir()
  (tmp_path / 'out' / 'mine').touch()
  refuse(label, *given(), message=f'{tmp_path / "out"} is there already')
  assert [path.name for path in (tmp_path / 'out').iterdir()] == ['mine']


def test_a_video_that_cannot_be_read_is_refused_before_any_is_followed(
  refuse, given, tmp_path
):
  videos = [tmp_path / 'square', tmp_path / 'broken.mp4']
  message = f'{videos[1]}: no such video'
  refuse(label, *given(video=videos), message=message)
  assert not (tmp_path / 'out').exists()


def test_a_video_that_is_too_short_ends_in_one_line(
  run_command, given, tmp_path
):
  video = shots.write(tmp_path / 'short', shots.moving_square(8))
  code, _, errors = run_command(label, *given(video=video))
  assert code == 1
  assert len(errors) == 1
  assert 'no track was kept: all 1: stretches: 1 too short' in errors[0]
