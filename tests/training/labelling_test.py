"""Labelling with a fake tracker: which tracks are kept and written."""

from pathlib import Path

import numpy as np
import pytest

from acm_jax.datasets import sources
from acm_jax.datasets.trees import open_tree
from acm_jax.tracking.inputs import check_box
from acm_jax.tracking.result import Result
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.training import data, labelling
from acm_jax.training.agreement import KEPT, NOT_RETURNED, STILL
from acm_jax.training.labelling import Clip, Settings
from data_pipelines import training_set
from data_pipelines.pipeline import DataSet
from tests.data_pipelines import shots

COUNT = 20
SETTINGS = Settings(targets=4, length=COUNT)


def find(frame):
  """Returns the box of the red square that `shots` draws, and a score."""
  red = (frame[..., 0] > 200) & (frame[..., 1] < 60)
  red[[0, -1]] = False
  rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
  if not len(rows):
    return np.float32([0, 0, 10, 10]), 0.0
  x, y = columns[0], rows[0]
  return np.float32([x, y, columns[-1] + 1 - x, rows[-1] + 1 - y]), 0.9


class SquareTracker(VideoTracker):
  """Tracker that follows the square; boxes that start elsewhere stay there."""

  def track(self, frames, boxes):
    boxes = np.asarray(boxes, np.float32)
    for box in boxes:
      check_box(box, frames[0].shape[:2])
    square = find(frames[0])[0]
    on_it = np.abs(boxes[:, :2] - square[:2]).max(axis=1) < 8
    yield [Result(box, 1.0, False, 1.0) for box in boxes]
    for frame in frames[1:]:
      found, score = find(frame)
      yield [
        Result(found if on else box, score, False, 1.0)
        for on, box in zip(on_it, boxes, strict=True)
      ]


@pytest.fixture
def tracker(tiny_model):
  return SquareTracker(tiny_model)


@pytest.fixture
def label(tracker, tmp_path):
  """Returns a function that labels frames as a video.

  The function returns the report of the video and the tracks by name.
  """

  def label(frames, starts=None, settings=SETTINGS):
    clip = Clip(shots.write(tmp_path / 'clip', frames), starts)
    out = tmp_path / 'out'
    (report,) = labelling.label(tracker, [clip], out, settings)
    source, tree = sources.make('folder'), open_tree(out)
    units = list(source.units(tree))
    return report, {u.name: source.tracks(tree, u)[0] for u in units}

  return label


def test_a_moving_object_becomes_a_sequence_that_can_be_prepared(label):
  frames = shots.moving_square(COUNT, flat=True)
  report, tracks = label(frames)
  assert report.tracks[KEPT] == len(tracks) == 1
  track = tracks['clip.000.000000.00']
  truth = [shots.square_at(t) for t in range(COUNT - 1)]
  # JPEG blurs edges by one pixel, and boxes are written with two decimals.
  np.testing.assert_allclose(track.box_xywh, truth, atol=2)
  assert track.visible.all()
  assert (report.frames, report.labels) == (COUNT, COUNT - 1)
  assert np.abs(track.image(3).astype(int) - frames[3]).mean() < 3


@pytest.mark.parametrize('given', [False, True], ids=['proposed', 'given'])
def test_a_track_goes_on_where_frames_change_their_size(label, given):
  frames = shots.moving_square(COUNT, flat=True)
  frames[5:9] = [frame[:200] for frame in frames[5:9]]
  starts = {0: shots.square_at(0)[None]} if given else None
  _, tracks = label(frames, starts)
  track = tracks['clip.000.000000.00']
  assert track.visible.sum() == COUNT - 1
  assert [track.image(i).shape[0] for i in (4, 5, 9)] == [240, 200, 240]


def test_only_frames_without_the_object_are_marked_as_absent(label):
  frames = shots.moving_square(COUNT, flat=True)
  for hidden in (5, 6):
    frames[hidden] = frames[hidden][:, :1].repeat(320, 1)
  starts = {0: shots.square_at(0)[None]}
  track = next(iter(label(frames, starts)[1].values()))
  assert list(np.flatnonzero(~track.visible)) == [5, 6]


@pytest.mark.parametrize('folder', ['camel', 'camel/img'])
def test_training_on_labels_of_a_validation_video_is_refused(
  tracker, tmp_path, monkeypatch, folder
):
  frames = shots.moving_square(COUNT, flat=True)
  (tmp_path / folder).parent.mkdir(exist_ok=True)
  clip = Clip(shots.write(tmp_path / folder, frames))
  labelling.label(tracker, [clip], tmp_path / 'out', SETTINGS)
  # A clip set has the names of the sequences that it was prepared from.
  names = [path.name for path in (tmp_path / 'out').iterdir()]
  monkeypatch.setattr(training_set, 'read_names', lambda _: names)
  with pytest.raises(ValueError, match='videos camel, but labelled contains'):
    data.check_held_out([DataSet('labelled')], ('camel', 'parkour'))


def test_images_keep_their_frame_numbers_in_the_video(label):
  starts = {2: shots.square_at(2)[None]}
  settings = Settings(targets=1, every=2)
  _, tracks = label(shots.moving_square(COUNT), starts, settings)
  assert list(tracks) == ['clip.000.000002.00']
  files = tracks['clip.000.000002.00'].files
  numbers = [int(Path(file).stem) for file in files]
  assert numbers == list(range(2, COUNT - 2, 2))


def test_more_targets_than_are_followed_at_once_are_all_followed(label):
  offsets = np.arange(5, dtype=np.float32)[:, None] * [1, 0, 0, 0]
  starts = {0: np.float32(shots.square_at(0) + offsets)}
  settings = Settings(targets=2)
  report, tracks = label(shots.moving_square(COUNT), starts, settings)
  assert report.tracks == {KEPT: 5}
  assert len(tracks) == 5


def test_tracks_of_a_stretch_share_their_images(label, tmp_path):
  starts = {0: np.stack([shots.square_at(0)] * 3)}
  label(shots.moving_square(COUNT), starts)
  images = list((tmp_path / 'out').glob('*/img/*.jpg'))
  assert len(images) == 3 * (COUNT - 1)
  assert len({path.stat().st_ino for path in images}) == COUNT - 1


def test_images_are_copied_where_links_are_not_permitted(label, monkeypatch):
  def refuse(*_):
    raise PermissionError

  monkeypatch.setattr('os.link', refuse)
  starts = {0: np.stack([shots.square_at(0)] * 2)}
  tracks = label(shots.moving_square(COUNT), starts)[1].values()
  one, other = (track.image(7) for track in tracks)
  np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('moving', [2, 3])
def test_one_target_per_three_moving_ones_may_stand_still(label, moving):
  still = np.float32([[200, 20, 30, 30], [200, 150, 30, 30]])
  starts = {0: np.stack([shots.square_at(0)] * moving + [*still])}
  report, _ = label(shots.moving_square(COUNT), starts)
  kept_still = moving // 3
  assert report.tracks == {KEPT: moving + kept_still, STILL: 2 - kept_still}


def test_a_track_whose_backward_pass_ends_elsewhere_is_dropped(tracker):
  frames = shots.moving_square(COUNT)
  # The second box is near enough to be drawn to the square, but too far away
  # to be the square.
  start = np.float32([shots.square_at(0), [34, 84, 20, 20]])
  labels = labelling.follow(tracker, frames, start, SETTINGS)
  assert labels.outcomes == [KEPT, NOT_RETURNED]


def test_short_and_empty_stretches_are_counted_but_not_labelled(label):
  grey = np.full((240, 320, 3), 90, np.uint8)
  bright = np.full((240, 320, 3), 240, np.uint8)
  frames = shots.moving_square(COUNT) + [grey] * 10 + [bright] * 3
  report, _ = label(frames)
  assert report.stretches == {
    labelling.FOLLOWED: 1,
    labelling.EMPTY: 1,
    labelling.SHORT: 1,
  }
  assert report.frames == COUNT


def test_no_files_are_left_when_no_track_is_kept(label, tmp_path):
  with pytest.raises(RuntimeError, match=r'no track was kept: .* too short'):
    label(shots.moving_square(5))
  assert [path.name for path in tmp_path.iterdir()] == ['clip']


@pytest.mark.parametrize(
  ('starts', 'message'),
  [
    ({9: [[400, 0, 20, 20]]}, r'clip frame 9: box 400,0,20,20 lies outside'),
    ({0: [[40, 90, 40, 40]], 30: [[1, 1, 20, 20]]}, 'frame 30 does not exist'),
  ],
  ids=['outside', 'beyond the end'],
)
def test_a_start_outside_the_video_is_refused(label, starts, message):
  starts = {number: np.float32(box) for number, box in starts.items()}
  with pytest.raises(ValueError, match=message):
    label(shots.moving_square(COUNT), starts)


def test_reports_and_messages_do_not_show_logins(
  tracker, tmp_path, monkeypatch
):
  folder = shots.write(tmp_path / 'clip', shots.moving_square(COUNT))
  open_video = labelling.open_video
  monkeypatch.setattr(labelling, 'open_video', lambda _: open_video(folder))
  address, out = 'http://user:secret@host/a.mp4', tmp_path / 'out'
  box = np.float32([[400, 0, 20, 20]])
  for number, message in (
    (0, ' frame 0: box'),
    (30, ': frame 30 does not exist'),
  ):
    with pytest.raises(ValueError, match=f'^http://host/a.mp4{message}'):
      labelling.label(tracker, [Clip(address, {number: box})], out, SETTINGS)
  (report,) = labelling.label(tracker, [Clip(address)], out, SETTINGS)
  assert report.name == 'http://host/a.mp4'


def test_reports_add_up_and_print_as_one_line():
  one = labelling.Report('a.mp4', 60, 50, 2.0)
  one.tracks.update([KEPT, NOT_RETURNED])
  one.stretches.update([labelling.FOLLOWED])
  both = labelling.total([one, one])
  assert str(both) == (
    'all 2: stretches: 2 followed; tracks: 2 kept, 2 did not return to the '
    'start; labels: 100; frames: 120, 30.0 per second'
  )


@pytest.mark.parametrize(
  ('name', 'value'),
  [
    ('targets', 0),
    ('length', 8),
    ('every', 0),
    ('seed', -1),
    ('overlap', 1.0),
    ('score', float('nan')),
  ],
)
def test_settings_out_of_range_are_refused(name, value):
  with pytest.raises(ValueError, match=f'^`{name}`={value}: give'):
    Settings(**{name: value})
