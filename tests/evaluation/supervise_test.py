"""The reset protocol in evaluation: starts, failures and what is skipped."""

import dataclasses

import cv2
import numpy as np
import pytest

from acm_jax.evaluation import (
  benchmarks,
  methods,
  report,
  reset,
  results,
  run,
  supervise,
)
from acm_jax.evaluation.methods import Method, Supervision, Trajectory

VOT = benchmarks.get('vot2018')


@pytest.fixture
def root(tmp_path):
  """Two sequences, of 14 and 9 frames, with a box and a polygon."""
  root = tmp_path / 'VOT2018'
  for name, count, region in (
    ('ants1', 14, '10,10,20,16'),
    ('bag', 9, '20,10,30,20,20,30,10,20'),
  ):
    folder = root / name / 'color'
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
      image = np.full((48, 64, 3), 5 * number, np.uint8)
      cv2.imwrite(str(folder / f'{number:08d}.jpg'), image)
    (root / name / 'groundtruth.txt').write_text(f'{region}\n' * count)
  (root / 'list.txt').write_text('ants1\nbag\n')
  return root


def losing(after):
  """A method that leaves the target so many frames after every start."""
  asked = []

  def follow(found, on_frames, supervision):
    waiting = list(enumerate(found))
    while waiting:
      index, sequence = waiting.pop(0)
      count = len(sequence.frame_paths)
      boxes = np.tile(np.asarray(sequence.box_xywh[0], float), (count, 1))
      boxes[after[sequence.name] :, :2] += 500
      kept = count
      for frame in range(1, count):
        asked.append((sequence.name, len(sequence.frame_paths), frame))
        if supervision.until(index, frame, boxes[frame]):
          kept = frame + 1
          break
      on_frames(kept)
      seconds = np.full(kept, 0.5)
      outcome = Trajectory(index, boxes[:kept], seconds, 2 * seconds)
      if left := supervision.then(outcome):
        waiting.append((index, left))
      yield outcome

  return Method(follow, {'after': after}), asked


def rows(folder, name):
  path = folder / 'baseline' / name / f'{name}_001.txt'
  return path.read_text().split()


def test_a_lost_target_is_given_again_after_five_frames(root, tmp_path):
  found = run.sequences(VOT, root)
  method, _ = losing({'ants1': 3, 'bag': 99})
  folder = run.run('ours', method, found, VOT, root, tmp_path)
  box = '10.0000,10.0000,20.0000,16.0000'
  # Lost at frames 3 and 11, so that frame 16 would be the next start.
  start = ['1', box, box, '2', '0', '0', '0', '0']
  assert rows(folder, 'ants1') == (start + start)[:14]
  assert rows(folder, 'bag')[0] == '1'
  assert len(rows(folder, 'bag')) == 9
  times = np.loadtxt(folder / 'times' / 'ants1_time.txt')
  assert times.tolist() == ([0.5] * 4 + [0] * 4 + [0.5] * 4 + [0] * 2)
  found = report.compute('vot2018', root, [folder]).trackers['ours']
  assert found.sequences['ants1'].failures == 2
  assert found.sequences['bag'].failures == 0


def test_a_whole_run_is_not_done_again(root, tmp_path):
  found = run.sequences(VOT, root)
  for sequence_count in (1, 0):
    method, asked = losing({'ants1': 3, 'bag': 99})
    kept = found[:1] if sequence_count else found
    run.run('ours', method, kept, VOT, root, tmp_path)
    names = {name for name, *_ in asked}
    assert names == ({'ants1'} if sequence_count else {'bag'})


def test_a_tracker_in_lanes_is_supervised(root, tmp_path, tiny_model):
  found, written = run.sequences(VOT, root), []
  for count in (1, 2):
    method = methods.trained(tiny_model, count)
    out = tmp_path / str(count)
    folder = run.run('ours', method, found, VOT, root, out)
    runs = [
      results.read_run(
        folder / 'baseline' / name / f'{name}_001.txt', frames=frames
      )
      for name, frames in (('ants1', 14), ('bag', 9))
    ]
    written.append(runs)
  for one, other in zip(*written, strict=True):
    np.testing.assert_array_equal(one.event, other.event)


def test_a_baseline_stops_where_its_target_is_lost(root, tmp_path):
  found, counts = run.sequences(VOT, root), []
  moved = dataclasses.replace(found[0], name='ants1')
  truth = [np.array([10.0, 10, 20, 16])] * 4 + [np.array([40.0, 30, 9, 9])] * 10
  truths = {'ants1': reset.Truth(tuple(truth), (64, 48))}
  follow = methods.baseline('first_box').follow
  (one,) = supervise.supervise(follow, [moved], truths, counts.append)
  # Lost where it jumps, at frame 4; started again there, it holds.
  assert one.run.event.tolist() == [1, *[-1] * 3, 2, *[0] * 4, 1, *[-1] * 4]
  assert sum(counts) == (one.seconds > 0).sum() == 10


def test_a_lane_goes_on_with_its_sequence_where_the_target_was_lost(
  root, tmp_path, tiny_model
):
  method = methods.trained(tiny_model, lane_count=2)
  found, order = run.sequences(VOT, root), []

  def follow(pieces, on_frames, supervision):
    # Lost in the third frame of each piece.
    lost = Supervision(
      until=lambda index, frame, box: frame == 2,
      then=lambda o: supervision.then(o._replace(box_xywh=o.box_xywh + 1000)),
    )
    for outcome in method.follow(pieces, on_frames, lost):
      order.append((outcome.index, len(outcome.box_xywh)))
      yield outcome

  truth = (np.array([10.0, 10, 20, 16]),)
  truths = {s.name: reset.Truth(truth * len(s), (64, 48)) for s in found}
  pieces = supervise.supervise(follow, found, truths, lambda count: None)
  (first, second) = sorted(pieces, key=lambda piece: piece.index)
  lost = [1, -1, 2, 0, 0, 0, 0]
  assert first.run.event.tolist() == [*lost, *lost]
  assert second.run.event.tolist() == [*lost, 1, 2]
  assert sorted(order) == [(0, 3), (0, 3), (1, 2), (1, 3)]


def test_the_first_box_of_a_polygon_has_its_area_and_a_pixel():
  square = np.array([20, 10, 30, 20, 20, 30, 10, 20], float)
  side = np.sqrt(200) + 1
  expected = [20 - (side - 1) / 2, 20 - (side - 1) / 2, side, side]
  np.testing.assert_allclose(supervise.first_box(square), expected)
  box = np.array([1.0, 2, 3, 4])
  np.testing.assert_array_equal(supervise.first_box(box), box)
