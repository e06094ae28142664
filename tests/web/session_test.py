"""Tests of sessions: what is tracked when boxes are given, in any order."""

import csv
import functools
import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from acm_jax.datasets.videos import open_video
from acm_jax.running import annotate, drawing, pictures
from acm_jax.tracking.programs import Programs
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.web import jpeg
from acm_jax.web.session import MOST_TARGETS, Session
from acm_jax.web.shown import Shown
from acm_jax.web.sources import Captured, Limits, Recorded, StoppedError
from tests.datasets import stamped_videos

ONE, OTHER = (20.0, 30.0, 30.0, 25.0), (60.0, 20.0, 40.0, 40.0)
FRAMES = 12


@pytest.fixture
def shown(tmp_path):
  return Shown(tmp_path, 1_000_000)


@pytest.fixture
def session(clip, new_tracker, shown):
  video = open_video(str(clip))
  source = Recorded(video, lambda: open_video(str(clip)), 'a.mkv', Limits())
  return Session(source, new_tracker, shown)


@pytest.fixture
def alone(clip, new_tracker):
  """Returns a function that tracks one target from its box in a frame."""
  images = [frame.image for frame in open_video(str(clip)).frames]

  def track(first, box):
    results = new_tracker().track(images[first:], [box])
    return {first + i: result for i, (result,) in enumerate(results)}

  return track


def track_on(session, steps=99):
  """Tracks to the end; returns the positions of the frames."""
  positions = []
  while len(positions) < steps:
    if (position := session.step()) is None:
      break
    positions.append(position)
  return positions


def assert_tracked(session, target, expected):
  """Asserts that a target has certain results, by position, and no others."""
  found = {
    position: results[target]
    for position, results in session.results().items()
    if target in results
  }
  assert found.keys() == expected.keys()
  for position, result in expected.items():
    np.testing.assert_array_equal(found[position].box, result.box)
    assert found[position][1:] == result[1:]


def test_targets_are_tracked_as_by_the_tracker(session, alone):
  assert session.place(0, ONE) == 0
  assert session.place(0, OTHER) == 1
  assert track_on(session) == list(range(1, FRAMES))
  assert session.step() is None
  assert_tracked(session, 0, alone(0, ONE))
  assert_tracked(session, 1, alone(0, OTHER))


def test_a_target_may_begin_in_any_frame(session, alone):
  session.place(3, ONE)
  track_on(session, 4)
  session.place(9, OTHER)
  # The second target waits for the first.
  assert track_on(session) == [8, 9, 10, 11]
  assert_tracked(session, 0, alone(3, ONE))
  assert_tracked(session, 1, alone(9, OTHER))


def test_a_corrected_target_is_tracked_anew_and_others_are_not(session, alone):
  session.place(0, ONE)
  session.place(0, OTHER)
  track_on(session)
  before = session.results()
  assert session.place(5, OTHER, target=0) == 0
  # Results that do not follow from the new box are gone.
  assert 0 not in session.at(6)
  assert session.tracked_to == 5
  assert track_on(session) == list(range(6, FRAMES))
  expected = {k: results[0] for k, results in before.items() if k < 5}
  assert_tracked(session, 0, expected | alone(5, OTHER))
  assert_tracked(session, 1, alone(0, OTHER))


def test_frames_between_the_old_and_the_new_box_stay_without_a_result(session):
  session.place(0, ONE)
  track_on(session, 2)
  session.place(7, ONE, target=0)
  assert track_on(session) == [8, 9, 10, 11]
  assert list(session.results()) == [0, 1, 2, 7, 8, 9, 10, 11]


def test_a_removed_target_leaves_nothing_and_its_number_is_free(session):
  session.place(0, ONE)
  session.place(0, OTHER)
  track_on(session, 3)
  session.remove(0)
  assert session.targets == [1]
  assert session.place(2, ONE) == 0
  rows = csv.DictReader(io.StringIO(session.table()))
  assert [(row['frame'], row['target']) for row in rows] == [
    ('0', '1'),
    ('1', '1'),
    ('2', '0'),
    ('2', '1'),
    ('3', '1'),
  ]


def test_the_table_is_that_of_the_command_track(
  session, clip, new_tracker, tmp_path
):
  session.place(0, ONE)
  session.place(0, OTHER)
  track_on(session)
  tracker, video = new_tracker(), open_video(str(clip))
  tracked = annotate.follow(tracker, video, np.array([ONE, OTHER], np.float32))
  annotate.annotate(tracked, video, tmp_path, tmp_path / 'a.mp4')
  written = (tmp_path / 'boxes.csv').read_text()
  expected = list(csv.DictReader(io.StringIO(written)))
  rows = list(csv.DictReader(io.StringIO(session.table())))
  assert rows[0].keys() == expected[0].keys()
  assert len(rows) == len(expected) == 2 * FRAMES
  for row, other in zip(rows, expected, strict=True):
    # Targets that are tracked together differ in the order of float32 sums.
    np.testing.assert_allclose(
      [float(x) for x in row.values()],
      [float(x) for x in other.values()],
      atol=2e-3,
    )


def test_the_video_shows_the_boxes_from_the_first_to_the_last_result(
  session, tmp_path
):
  session.place(4, ONE)
  track_on(session, 3)
  path = tmp_path / 'tracked.mp4'
  session.write_video(path)
  capture = cv2.VideoCapture(str(path))
  assert capture.get(cv2.CAP_PROP_FPS) == 25
  images = []
  while (image := capture.read()[1]) is not None:
    images.append(image[..., ::-1])
  numbers = [stamped_videos.stamp(image) for image in images]
  assert numbers == [4, 5, 6, 7]
  x, y, _, h = map(int, ONE)
  # The left edge of the box is orange, up to the loss of the codec.
  edge = images[0][y + 5 : y + h - 5, x].mean(0)
  assert np.abs(edge - (230, 159, 0)).max() < 60


def test_a_video_that_is_being_written_ends_at_once_by_stop(
  session, tmp_path, monkeypatch
):
  session.place(0, ONE)
  session.place(FRAMES - 1, ONE)
  draw, drawn = pictures.draw, []

  def stop(*args):
    drawn.append(draw(*args))
    if len(drawn) == 3:
      session.stop()
    return drawn[-1]

  monkeypatch.setattr(pictures, 'draw', stop)
  with pytest.raises(StoppedError, match='this video was closed'):
    session.write_video(tmp_path / 'tracked.mp4')
  assert len(drawn) == 3
  assert not list(tmp_path.iterdir())


def test_the_programs_are_compiled_before_the_first_box(
  session, tiny_model, shown
):
  programs = Programs()
  new_tracker = functools.partial(VideoTracker, tiny_model, programs)
  session = Session(session.source, new_tracker, shown)
  session.compile()
  count = len(programs)
  assert count
  session.place(0, ONE)
  session.step()
  session.score_map(0, 1)
  assert len(programs) == count


def test_a_camera_without_a_frame_compiles_nothing(
  new_tracker, tmp_path, shown
):
  camera = Captured(tmp_path, Limits())
  Session(camera, new_tracker, shown).compile()
  assert camera.length == 0


def test_the_video_of_a_camera_lasts_as_long_as_its_frames(
  new_tracker, shown, tmp_path
):
  times = iter([3.0, 3.5, 3.7, 5.0])
  camera = Captured(tmp_path, Limits(), clock=lambda: next(times))
  for number in range(4):
    camera.add(jpeg.encode(stamped_videos.stamped(number), 95))
  session = Session(camera, new_tracker, shown)
  session.place(0, ONE)
  track_on(session)
  session.write_video(tmp_path / 'tracked.mp4')
  capture = cv2.VideoCapture(str(tmp_path / 'tracked.mp4'))
  # Two seconds, and the last frame.
  assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 2 * 30 + 1
  assert capture.get(cv2.CAP_PROP_FPS) == 30


def test_the_score_map_is_of_the_region_that_was_searched(
  session, clip, new_tracker
):
  session.place(2, ONE)
  track_on(session, 3)
  images = [frame.image for frame in open_video(str(clip)).frames]
  tracker = new_tracker()
  tracker.init(images[2], ONE)
  for position, around in ((2, 2), (3, 2), (5, 4)):
    box = session.at(around)[0].box
    expected = tracker.score_map(images[position], box)
    scores, place = session.score_map(0, position)
    np.testing.assert_array_equal(place, expected.box)
    np.testing.assert_allclose(scores, expected.scores, atol=1e-6)


def test_a_frame_without_the_target_has_no_score_map(session):
  session.place(2, ONE)
  for position in (0, 1, 5):
    with pytest.raises(LookupError, match=f'not tracked in frame {position}'):
      session.score_map(0, position)


@pytest.mark.parametrize(
  ('box', 'message'),
  [
    ((200, 20, 30, 30), 'lies outside the frame of 128 x 96 pixels'),
    ((20, 20, 0.5, 30), 'is less than a pixel wide or high'),
    ((20, 20, float('nan'), 30), 'is not finite'),
    ((20, 20, 30), 'is not four numbers'),
  ],
)
def test_a_box_that_cannot_be_tracked_changes_nothing(
  session, alone, box, message
):
  session.place(0, ONE)
  track_on(session, 4)
  for target in (None, 0):
    with pytest.raises(ValueError, match=message):
      session.place(2, box, target)
  track_on(session)
  assert session.targets == [0]
  assert_tracked(session, 0, alone(0, ONE))


def test_what_does_not_exist_is_refused(session):
  with pytest.raises(ValueError, match='draw a box first'):
    session.step()
  with pytest.raises(ValueError, match='nothing to write yet'):
    session.write_video(Path('a.mp4'))
  for position in (-1, FRAMES):
    with pytest.raises(LookupError, match=f'no frame {position}'):
      session.place(position, ONE)
  for act in (
    lambda: session.remove(3),
    lambda: session.place(0, ONE, 3),
    lambda: session.score_map(3, 0),
  ):
    with pytest.raises(LookupError, match='there is no target 3'):
      act()


def test_the_number_of_targets_is_limited(session):
  for _ in range(MOST_TARGETS):
    session.place(0, ONE)
  with pytest.raises(ValueError, match='which is the limit; remove one'):
    session.place(0, ONE)
  session.place(0, OTHER, target=2)
  session.remove(3)
  # The number is free, and so is its colour.
  assert session.place(0, ONE) == 3


def test_each_target_has_a_colour_of_its_own():
  assert len(set(drawing.COLORS)) == len(drawing.COLORS) == MOST_TARGETS
