"""Key frames: how passes are merged, and which frames are tracked."""

import numpy as np
import pytest

from acm_jax.datasets import layouts
from acm_jax.datasets.exports.target import Target
from acm_jax.datasets.video_files import Frame
from acm_jax.datasets.videos import Video
from acm_jax.geometry import boxes
from acm_jax.running import key_frames
from acm_jax.running.key_frames import Passes
from acm_jax.tracking.programs import Programs
from acm_jax.tracking.result import Result
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.training import trained

IMAGE = np.zeros((240, 320, 3), np.uint8)
FRACTION = np.linspace(0, 1, 5)


def iou(one_xywh, other_xywh):
  corners = map(boxes.xywh_to_xyxy, (np.array(one_xywh), np.array(other_xywh)))
  return boxes.iou(*corners)


def passes(forward, backward, score=1.0):
  box_xywh = np.array([forward, backward], float)[:, :, None]
  return Passes(box_xywh, np.full(box_xywh.shape[:3], score))


def slow_merge(passes, fraction):
  """Merges a single target as the docstring of the module describes."""
  forward, backward = passes.box_xywh[:, :, 0]
  count = len(forward)

  def corrected(track, given, since):
    if iou(track[-1], given) < 0.5:
      return track
    found = []
    for (x, y, w, h), part in zip(track, since, strict=True):
      cx, cy = x + w / 2, y + h / 2
      last_x, last_y, last_w, last_h = track[-1]
      cx += part * (given[0] + given[2] / 2 - last_x - last_w / 2)
      cy += part * (given[1] + given[3] / 2 - last_y - last_h / 2)
      w = w * (given[2] / last_w) ** part
      h = h * (given[3] / last_h) ** part
      found.append([cx - w / 2, cy - h / 2, w, h])
    return np.array(found)

  one = corrected(forward, backward[-1], fraction)
  other = corrected(backward[::-1], forward[0], 1 - fraction[::-1])[::-1]
  merged = []
  for t in range(count):
    first = (1 - fraction[t]) * passes.score[0, t, 0]
    second = fraction[t] * passes.score[1, t, 0]
    if iou(one[t], other[t]) == 0:
      merged.append(one[t] if first >= second else other[t])
    else:
      merged.append((first * one[t] + second * other[t]) / (first + second))
  return np.array(merged)


@pytest.mark.parametrize('seed', range(20))
@pytest.mark.parametrize('spread', [3, 30], ids=['close', 'apart'])
def test_passes_are_merged_like_by_the_slow_reference(seed, spread):
  rng = np.random.default_rng(seed)
  box_xywh = rng.uniform(20, 40, (2, 5, 1, 4))
  box_xywh[..., :2] += spread * rng.standard_normal((2, 5, 1, 2))
  both = Passes(box_xywh, rng.uniform(0.1, 1, (2, 5, 1)))
  merged, weight = key_frames.merge(both, FRACTION)
  # Both compute in float64.
  np.testing.assert_allclose(merged[:, 0], slow_merge(both, FRACTION), 1e-9)
  np.testing.assert_allclose(weight.sum(axis=0), 1)


def test_the_boxes_at_both_ends_are_those_that_were_given():
  forward = [[10 + 3 * t, 20, 30, 40] for t in range(5)]
  backward = [[11 + 4 * t, 21, 31, 39] for t in range(5)]
  merged, _ = key_frames.merge(passes(forward, backward), FRACTION)
  np.testing.assert_allclose(merged[0, 0], forward[0])
  np.testing.assert_allclose(merged[-1, 0], backward[-1])


def test_a_drift_that_grows_linearly_is_removed():
  truth = np.array([[10 + 5 * t**2, 20, 30, 40] for t in range(5)], float)
  drift = np.array([2, 1, 0, 0])
  forward = truth + drift * FRACTION[:, None]
  backward = truth - drift * (1 - FRACTION[:, None])
  merged, _ = key_frames.merge(passes(forward, backward), FRACTION)
  np.testing.assert_allclose(merged[:, 0], truth)


def test_a_pass_that_has_lost_the_target_counts_less_with_a_low_score():
  right = [[10, 20, 30, 40]] * 5
  wrong = [*[[10, 60, 30, 40]] * 4, [10, 20, 30, 40]]
  both = passes(right, wrong)
  both.score[1, :4] = 0.01
  merged, _ = key_frames.merge(both, FRACTION)
  np.testing.assert_allclose(merged[:, 0], right)


def test_a_score_of_zero_in_both_passes_gives_a_finite_box():
  same = [[10, 20, 30, 40]] * 5
  merged, _ = key_frames.merge(passes(same, same, score=0.0), FRACTION)
  np.testing.assert_allclose(merged[:, 0], same)


class Moving(VideoTracker):
  """Tracker whose boxes move 1 px to the right per frame that it tracks.

  `calls` has the numbers of the frames of each call, which are the levels of
  their first pixels, and the number of targets.
  """

  def __init__(self):
    self.programs, self.calls = Programs(), []

  def track(self, frames, boxes, *, ahead=1):
    frames = list(frames)
    self.calls.append(([int(f[0, 0, 0]) for f in frames], len(boxes)))
    for step in range(len(frames)):
      moved = boxes + np.float32([step, 0, 0, 0])
      yield [Result(box, 1.0, step > 0, 0.5) for box in moved]


def video(numbers):
  """Yields frames whose first pixels are their numbers."""
  for number in numbers:
    image = IMAGE.copy()
    image[0, 0, 0] = number
    yield Frame(image, number, number / 10)


def keyed(targets):
  return [Target(boxes) for boxes in targets]


def run(targets, numbers=range(10)):
  tracker = Moving()
  rows = list(key_frames.track(tracker, video(numbers), keyed(targets)))
  assert [frame.number for frame, _ in rows] == list(numbers)
  return tracker.calls, [results for _, results in rows]


def box(x):
  return (float(x), 50.0, 40.0, 40.0)


def test_each_target_is_tracked_in_both_directions_between_its_key_frames():
  calls, rows = run(
    [{2: box(10), 5: box(10), 8: box(20)}, {2: box(9), 5: box(9)}]
  )
  assert calls == [
    ([2, 3, 4, 5], 2),
    ([5, 4, 3, 2], 2),
    ([5, 6, 7, 8], 1),
    ([8, 7, 6, 5], 1),
  ]
  first = [row[0] is not None for row in rows]
  second = [row[1] is not None for row in rows]
  assert first == [2 <= t <= 8 for t in range(10)]
  assert second == [2 <= t <= 5 for t in range(10)]
  # The drifts of both directions are removed.
  np.testing.assert_allclose([rows[t][0].box[0] for t in (2, 3, 4, 5)], 10)
  # A target is lost where both passes have lost it.
  assert [rows[t][0].lost for t in range(2, 9)] == [0, 1, 1, 0, 1, 1, 0]


def test_the_boxes_of_key_frames_are_kept_exactly():
  exact = {0: (0.1, 50.123, 40.7, 40.3), 4: (3.3, 50.777, 41.9, 39.1)}
  _, rows = run([exact], range(5))
  for frame, given in exact.items():
    assert tuple(rows[frame][0].box) == given


def test_key_frames_of_targets_may_interleave():
  calls, rows = run([{0: box(1), 6: box(7)}, {3: box(1), 9: box(7)}])
  assert [numbers for numbers, _ in calls] == [
    [0, 1, 2, 3, 4, 5, 6],
    [6, 5, 4, 3, 2, 1, 0],
    [3, 4, 5, 6, 7, 8, 9],
    [9, 8, 7, 6, 5, 4, 3],
  ]
  # The boxes move as the tracker says, by 1 px per frame.
  np.testing.assert_allclose(
    [row[0].box[0] for row in rows[:7]], np.arange(1, 8)
  )


def test_frames_that_cannot_be_decoded_are_left_out():
  numbers = [0, 1, 3, 4]
  calls, rows = run([{0: box(0), 4: box(40)}], numbers)
  assert calls[0] == (numbers, 1)
  assert len(rows) == 4


def test_frames_are_yielded_as_soon_as_they_are_complete():
  requested = []

  def frames():
    for frame in video(range(10)):
      requested.append(frame.number)
      yield frame

  targets = keyed([{0: box(0), 3: box(3)}, {7: box(0), 9: box(2)}])
  tracked = key_frames.track(Moving(), frames(), targets)
  seen = [(frame.number, len(requested)) for frame, _ in tracked]
  assert seen == [
    *((t, 4) for t in range(4)),
    *((t, t + 1) for t in range(4, 7)),
    *((t, 10) for t in range(7, 10)),
  ]


@pytest.mark.parametrize(
  ('targets', 'message'),
  [
    ([{0: box(1), 3: box(1)}, {2: box(1)}], 'target 1 has a box in 1 frames'),
    ([{0: box(1), 20: box(1)}], 'has a box for frame 20, counted from 0, wh'),
    ([{1: box(1), 3: box(1)}], 'has a box for frame 3, counted from 0, whic'),
    ([{0: box(1), 4: box(500)}], 'frame 4, target 0: box 500,50,40,40 lies ou'),
  ],
  ids=['single', 'beyond', 'damaged', 'outside'],
)
def test_invalid_key_frames_are_refused(targets, message):
  with pytest.raises(ValueError, match=f'^`key_frames`: {message}'):
    run(targets, [0, 1, 2, 4, 5])


def test_key_frames_of_cvat_are_read_with_the_frames_of_an_absent_target(
  tmp_path,
):
  corners = 'xtl="1" ytl="2" xbr="4" ybr="6"'
  # CVAT interpolates frames 1 and 2. The target is absent from frame 4 to 6,
  # and again from frame 8 on.
  rows = ''.join(
    f'<box frame="{frame}" keyframe="{key}" outside="{outside}" {corners}/>'
    for frame, key, outside in (
      (0, 1, 0),
      (1, 0, 0),
      (2, 0, 0),
      (3, 1, 0),
      (4, 1, 1),
      (7, 1, 0),
      (8, 1, 1),
    )
  )
  text = f'<annotations><track id="0" label="a">{rows}</track></annotations>'
  (tmp_path / 'a.xml').write_text(text)
  video = Video(iter(()), 25.0, 9, name='clip')
  (target,) = key_frames.read(tmp_path / 'a.xml', video)
  assert target.boxes == dict.fromkeys((0, 3, 7), (1, 2, 3, 4))
  assert target.outside == {4, 8}


def test_absence_ends_tracking_and_is_not_tracked_through():
  target = Target({0: box(0), 6: box(6), 9: box(9)}, outside=frozenset({3, 4}))
  tracker = Moving()
  rows = list(key_frames.track(tracker, video(range(10)), [target]))
  assert [numbers for numbers, _ in tracker.calls] == [
    [0, 1, 2],
    [6, 7, 8, 9],
    [9, 8, 7, 6],
  ]
  shown = [frame.number for frame, (result,) in rows if result is not None]
  assert shown == [0, 1, 2, 6, 7, 8, 9]
  # The tracker's own boxes, whose drift nothing corrects.
  boxes_before = [results[0].box[0] for _, results in rows[:3]]
  np.testing.assert_allclose(boxes_before, [0, 1, 2])


def test_a_target_is_tracked_up_to_a_mark_after_its_last_key_frame():
  target = Target({1: box(0)}, outside=frozenset({4}))
  # The frame before the mark cannot be decoded.
  for numbers in (range(7), (0, 1, 2), (0, 1, 2, 5)):
    rows = list(key_frames.track(Moving(), video(numbers), [target]))
    assert [frame.number for frame, _ in rows] == list(numbers)
    shown = [frame.number for frame, (result,) in rows if result is not None]
    assert shown == [number for number in numbers if 1 <= number < 4]


def test_more_frames_than_fit_in_memory_are_refused_before_tracking(
  monkeypatch,
):
  tracker = Moving()
  monkeypatch.setattr(key_frames, '_MOST_HELD', 5 * IMAGE.nbytes)
  # Five frames at once: 0 to 4 until the first segment ends, then 3 to 6.
  targets = keyed([{0: box(0), 4: box(4)}, {3: box(0), 6: box(6)}])
  message = (
    '^`key_frames`: the 7 frames from 0 to 6 would take 0.0 GB of memory, more '
    'than 0.0 GB; add a key frame between frames 0 and 6'
  )
  alone = keyed([{0: box(0), 6: box(4)}])
  with pytest.raises(ValueError, match=message):
    list(key_frames.track(tracker, video(range(8)), alone))
  assert not tracker.calls
  assert list(key_frames.track(tracker, video(range(8)), targets))


def test_merged_passes_fit_better_than_one_pass_and_than_interpolation(
  real_data,
):
  root = real_data / 'sequences' / 'DAVIS'
  (sequence,) = [
    each
    for each in layouts.read('davis', root)
    if each.name == 'car-roundabout'
  ]
  tracker = VideoTracker(trained.load('small'))
  keys = {t: tuple(sequence.box_xywh[t].tolist()) for t in (0, 37, 74)}
  frames = [Frame(sequence.frame(t), t, 0.0) for t in range(75)]
  rows = list(key_frames.track(tracker, frames, keyed([keys])))
  merged = np.array([results[0].box for _, results in rows])
  one = np.concatenate(
    [
      [r[0].box for r in tracker.track((f.image for f in part), [keys[first]])]
      for first, part in ((0, frames[:37]), (37, frames[37:]))
    ]
  )
  linear = np.array(
    [
      np.interp(range(75), list(keys), [b[i] for b in keys.values()])
      for i in range(4)
    ]
  ).T
  overlap = {
    name: iou(found, sequence.box_xywh).mean()
    for name, found in (('merged', merged), ('one', one), ('linear', linear))
  }
  assert overlap['merged'] > max(overlap['one'], overlap['linear'])
