"""Tests of the experiments' protocols on sequences with known boxes."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from acm_jax.datasets.layouts.vot import region_box
from acm_jax.evaluation import benchmarks, scoring
from acm_jax.evaluation.experiment import Analysis, Experiment, Points
from acm_jax.evaluation.experiments import EXPERIMENTS
from acm_jax.evaluation.experiments.reset import first_box
from acm_jax.evaluation.metrics import overlaps
from acm_jax.evaluation.outcome import Outcome, Scores
from acm_jax.evaluation.protocol import Next, Start
from acm_jax.evaluation.runs import boxes_alone, read_confidence
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.truth import Truth
from acm_jax.running import evaluate, scheduler
from acm_jax.running.baselines import BaselineFollower
from acm_jax.running.evaluate import Task
from acm_jax.running.scheduler import Job
from acm_jax.tracking.engine import Engine, initial_result
from acm_jax.tracking.programs import Programs

VOT = benchmarks.get('vot2018')
BOX = [10.0, 10, 20, 16]


@pytest.fixture
def root(tmp_path):
  """Benchmark of two sequences: 14 frames with boxes, 9 with polygons."""
  root = tmp_path / 'VOT2018'
  for name, count, region in (
    ('ants1', 14, '10,10,20,16'),
    ('bag', 9, '20,10,30,20,20,30,10,20'),
  ):
    folder = root / name / 'color'
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
      # The grey level encodes the number of the frame.
      image = np.full((48, 64, 3), 5 * number, np.uint8)
      cv2.imwrite(str(folder / f'{number:08d}.png'), image)
    (root / name / 'groundtruth.txt').write_text(f'{region}\n' * count)
  (root / 'list.txt').write_text('ants1\nbag\n')
  return root


class Losing:
  """Follower that loses its target `after` frames after each start.

  Attributes:
    seen: Frame numbers in the order of tracking; negative if tracking started.
  """

  def __init__(self, lanes, after):
    self.lanes, self.programs = lanes, Programs()
    self.about = {'after': after}
    self._after, self._state = after, {}
    self.seen = []

  def take_failures(self):
    return []

  def start(self, image, boxes_xywh):
    for lane, box_xywh in boxes_xywh.items():
      self._state[lane] = [np.asarray(box_xywh, float), 0]
    self.seen.append(-int(image[0, 0, 0] // 5))

  def advance(self, images):
    results = {}
    for lane, image in images.items():
      self.seen.append(int(image[0, 0, 0] // 5))
      box, held = self._state[lane]
      self._state[lane][1] = held + 1
      error = 500.0 * (held + 1 >= self._after)
      results[lane] = initial_result(np.zeros(4)).replace(
        box_xywh=box + np.array([error, 0, 0, 0]), score=np.float32(0.25)
      )
    return lambda: results


def run(task, follower, tmp_path):
  return evaluate.run('ours', follower, task, tmp_path)


def rows(folder, name):
  path = folder / 'baseline' / name / f'{name}_001.txt'
  return path.read_text().split()


@pytest.mark.parametrize('count', [1, 2, 5])
def test_a_lost_target_is_started_again_after_five_frames(
  root, tmp_path, count
):
  task = Task(VOT, root, benchmarks.sequences(VOT, root))
  folder = run(task, Losing(count, 3), tmp_path)
  box = '10.0000,10.0000,20.0000,16.0000'
  # The target is lost in frames 3 and 11; the next start would be frame 16.
  start = ['1', box, box, '2', '0', '0', '0', '0']
  assert rows(folder, 'ants1') == (start + start)[:14]
  assert [len(r) > 1 for r in rows(folder, 'bag')] == [False, True, True] + [
    False
  ] * 6
  times = np.loadtxt(folder / 'times' / 'ants1_time.txt')
  assert (
    (times > 0) == ([True] * 4 + [False] * 4 + [True] * 4 + [False] * 2)
  ).all()
  scores = scoring.compute('vot2018', root, [folder]).trackers['ours']
  assert scores.sequences['ants1']['failures'] == 2
  assert scores.sequences['bag']['failures'] == 1


def test_sequences_with_results_are_skipped(root, tmp_path):
  task = Task(VOT, root, benchmarks.sequences(VOT, root))
  follower = Losing(1, 99)
  first = dataclasses.replace(task, sequences=task.sequences[:1])
  run(first, follower, tmp_path)
  assert follower.seen == [-1, *range(2, 15)]
  follower.seen.clear()
  run(task, follower, tmp_path)
  assert follower.seen == [-1, *range(2, 10)]


def drive(root, protocol_of, follower):
  """Runs a protocol on the first sequence; returns the outcome."""
  (sequence, *_) = benchmarks.sequences(VOT, root)
  (done,) = scheduler.drive(follower, [Job(sequence, protocol_of(sequence))])
  return done


def test_protocols_run_on_baselines(root):
  truth = [np.array(BOX)] * 4 + [np.array([40.0, 30, 9, 9])] * 10

  def protocol(sequence):
    return EXPERIMENTS['reset'].protocol(sequence, Truth(tuple(truth)))

  done = drive(root, protocol, BaselineFollower('first_box'))
  # The target is lost in frame 4, where the annotation jumps, and is not lost
  # after the second start.
  assert done.runs[0].event.tolist() == [
    1,
    *[-1] * 3,
    2,
    *[0] * 4,
    1,
    *[-1] * 4,
  ]
  assert done.answers == (done.times[0] > 0).sum() == 10


def test_the_number_of_lanes_does_not_change_requests(
  root, tmp_path, tiny_model
):
  task, written = Task(VOT, root, benchmarks.sequences(VOT, root)), []
  for count in (1, 2):
    engine = Engine(tiny_model, count)
    folder = evaluate.run('ours', engine, task, tmp_path / str(count))
    written.append([rows(folder, name) for name in ('ants1', 'bag')])
  events = [[[r[:2] for r in one] for one in each] for each in written]
  assert events[0] == events[1]


ANCHORS = {0: 1, 5: 1, 13: -1}


def write_anchors(root):
  """Writes the anchor files of both sequences."""
  for name, frames in (('ants1', 14), ('bag', 9)):
    signs = np.zeros(frames, int)
    for anchor, step in ANCHORS.items():
      if anchor < frames:
        signs[anchor] = step
    path = root / name / 'anchor.value'
    path.write_text('\n'.join(map(str, signs)) + '\n')


def test_runs_from_anchors_end_at_the_last_or_first_frame(root, tmp_path):
  write_anchors(root)
  benchmark = benchmarks.get('vot2022_stb')
  task = Task(benchmark, root, benchmarks.sequences(benchmark, root))
  follower = Losing(1, 99)
  folder = run(task, follower, tmp_path)
  assert follower.seen[: 14 + 9 + 14] == [
    *(-1, *range(2, 15)),
    *(-6, *range(7, 15)),
    *(-14, *range(13, 0, -1)),
  ]
  files = sorted(p.name for p in (folder / 'baseline' / 'ants1').iterdir())
  assert files == [f'ants1_{anchor:08d}.txt' for anchor in ANCHORS]
  follower.seen.clear()
  run(task, follower, tmp_path)
  assert not follower.seen
  short = dataclasses.replace(benchmark, lengths=(2, 8))
  experiment, truths = task.experiment, task.truths
  files = {
    name: list(experiment.files(folder, name, truth, short))
    for name, truth in truths.items()
  }
  runs = experiment.read_all(files, truths, short)
  total = experiment.analysis(short, 'vot_toolkit').score(runs, truths).total
  assert total['robustness'] == 1.0
  assert total['accuracy'] > 0.6


def test_the_long_term_protocol_writes_confidences(root, tmp_path):
  path = root / 'bag' / 'groundtruth.txt'
  lines = path.read_text().splitlines()
  path.write_text('\n'.join([*lines[:-1], 'nan,nan,nan,nan']) + '\n')
  benchmark = benchmarks.get('vot_lt')
  task = Task(benchmark, root, benchmarks.sequences(benchmark, root))
  folder = run(task, Losing(2, 99), tmp_path)
  file = folder / 'longterm' / 'bag' / 'bag_001_confidence.value'
  assert read_confidence(file)[1:].tolist() == [0.25] * 8
  scores = scoring.compute('vot_lt', root, [folder]).trackers['ours']
  # The first of nine frames does not count, and the last shows no target.
  assert scores.sequences['bag']['precision'] < 7 / 8


class Backward(Experiment):
  """Experiment that tracks from the last frame to the first."""

  title = 'backward tracking'
  subfolder = 'backward'
  plots = (Points('ends', 'end', 'Ends', 'end', 'end', 'Overlap', 'Overlap'),)

  def recognises(self, folder):
    return (folder / self.subfolder).is_dir()

  def protocol(self, sequence, truth):
    last = truth.frames - 1
    start = Start(last, region_box(truth.region_at(last)), step=-1)
    boxes = [(yield start).box_xywh]
    for _ in range(last):
      boxes.append((yield Next()).box_xywh)
    return [boxes_alone(boxes)._replace(start=last, step=-1)]

  def files(self, folder, name, truth, benchmark):
    return {folder / self.subfolder / f'{name}.txt': truth.frames}

  def read(self, path, name, truth, benchmark):
    boxes = boxes_alone(np.loadtxt(path, delimiter=','))
    return boxes._replace(start=truth.frames - 1, step=-1)

  def write(self, folder, name, runs, benchmark):
    (folder / self.subfolder).mkdir(parents=True, exist_ok=True)
    path = folder / self.subfolder / f'{name}.txt'
    np.savetxt(path, runs[0].region, delimiter=',')

  def analysis(self, benchmark, name):
    """Scores the overlap in the first frame, where tracking ends."""

    def score(runs, truths):
      scores = {}
      for name, (run,) in runs.items():
        (end,) = overlaps(run.region[-1:], truths[name].box_xywh[:1])
        scores[name] = Scores({'end': float(end)})
      ends = np.array([each['end'] for each in scores.values()])
      return Outcome(
        Scores({'end': float(ends.mean())}),
        scores,
        lambda counts: counts @ ends / counts.sum(axis=1),
      )

    return Analysis(score, {'end': Figure('overlap at the end')}, 'end', False)


def test_an_experiment_can_be_added_as_one_class(root, tmp_path, monkeypatch):
  monkeypatch.setitem(EXPERIMENTS, 'backward', Backward())
  benchmark = dataclasses.replace(VOT, experiment='backward')
  monkeypatch.setitem(benchmarks.BENCHMARKS, 'vot2018', benchmark)
  task = Task(benchmark, root, benchmarks.sequences(benchmark, root))
  follower = Losing(1, 99)
  evaluate.evaluate({'ours': follower}, task, tmp_path / 'out')
  assert follower.seen[:14] == [-14, *range(13, 0, -1)]
  scores = json.loads((tmp_path / 'out' / 'scores.json').read_text())
  # Boxes equal the first box, which is the bounding box of a polygon.
  assert scores['trackers']['ours']['end'] == 1.0
  assert 'overlap at the end' in (tmp_path / 'out' / 'table.md').read_text()
  assert (tmp_path / 'out' / 'ends.png').is_file()
  assert (tmp_path / 'out' / 'vot2018' / 'tracked.png').is_file()


def requesting(requests):
  """Returns a protocol that yields `requests`."""

  def protocol(sequence):
    # `yield from` would send answers to the sequence, which takes none.
    for request in requests:  # noqa: UP028
      yield request
    return []

  return protocol


START = Start(12, np.array(BOX))


@pytest.mark.parametrize(
  ('requests', 'message'),
  [
    ([START, Next(), Next()], 'a frame after the last one; it must return'),
    ([START._replace(frame=13), Next()], 'a frame after the last one'),
    ([START._replace(frame=1, step=-1), Next(), Next()], 'after the last one'),
    ([Next()], r'the protocol began with Next\(\); its first yield must be'),
    ([], r'began with a return; its first yield must be Start\(\.\.\.\)'),
    ([START, Next], "class .*Next'> is not a request; a protocol must yield"),
    ([START, None], 'None is not a request'),
    ([START._replace(frame=14)], '`frame` must be from 0 to 13'),
    ([START._replace(step=0)], '`step` not 0'),
  ],
  ids=[
    'too many',
    'after the end',
    'before the beginning',
    'no start',
    'nothing',
    'a class',
    'a bare yield',
    'no such frame',
    'step 0',
  ],
)
def test_an_invalid_request_is_refused(root, requests, message):
  with pytest.raises(ValueError, match=f'ants1: .*{message}'):
    drive(root, requesting(requests), Losing(1, 99))


def test_errors_of_a_protocol_name_the_sequence(root):
  def refuses(sequence):
    yield START
    raise ValueError('no anchors')

  def returns_nothing(sequence):
    yield START

  for protocol, message in (
    (refuses, 'ants1: no anchors'),
    (returns_nothing, 'ants1: the protocol returned None; it must return a'),
  ):
    with pytest.raises(ValueError, match=message):
      drive(root, protocol, Losing(1, 99))


def test_a_box_that_is_not_finite_stops_the_run_and_writes_nothing(
  root, tmp_path
):
  class Broken(Losing):
    def advance(self, images):
      fetch = super().advance(images)
      return lambda: {
        lane: tracked.replace(box_xywh=np.full(4, np.nan))
        for lane, tracked in fetch().items()
      }

  task = Task(VOT, root, benchmarks.sequences(VOT, root))
  with pytest.raises(ValueError, match=r'ants1: frame 1 .* not finite'):
    run(task, Broken(1, 99), tmp_path)
  assert not list(tmp_path.glob('vot2018/**/*.txt'))


def test_annotations_for_another_number_of_frames_are_refused(root, tmp_path):
  text = root / 'annotations' / 'ants1.txt'
  text.parent.mkdir()
  text.write_text('10,10,20,16\n' * 13)
  (text.parent / 'bag.txt').write_text('10,10,20,16\n' * 9)
  task = Task(VOT, root, benchmarks.sequences(VOT, root))
  message = 'ants1 has 14 images but annotations for 13 frames'
  with pytest.raises(ValueError, match=message):
    run(task, Losing(1, 99), tmp_path)


def test_the_first_box_has_the_area_of_the_polygon_plus_a_pixel_per_side():
  square = np.array([20, 10, 30, 20, 20, 30, 10, 20], float)
  side = np.sqrt(200) + 1
  expected = [20 - (side - 1) / 2, 20 - (side - 1) / 2, side, side]
  np.testing.assert_allclose(first_box(square), expected)
  box = np.array([1.0, 2, 3, 4])
  np.testing.assert_array_equal(first_box(box), box)
