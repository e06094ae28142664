"""Tests of running trackers on a benchmark's sequences."""

import dataclasses
import json
import shutil
import zipfile
from typing import ClassVar

import cv2
import numpy as np
import pytest

from acm_jax.evaluation import archives, benchmarks, failures
from acm_jax.evaluation.results import read_boxes
from acm_jax.running import evaluate
from acm_jax.running.baselines import BaselineFollower
from acm_jax.running.evaluate import Task
from acm_jax.tracking.engine import Engine

FOLDER = benchmarks.get('folder')


def folder_task(sequences):
  return Task(FOLDER, sequences, benchmarks.sequences(FOLDER, sequences))


def test_result_files_have_the_coordinates_of_the_benchmark(
  sequences, tmp_path
):
  of_folder = benchmarks.sequences(FOLDER, sequences)
  first_box = BaselineFollower('first_box')
  matlab = dataclasses.replace(FOLDER, name='matlab', first_pixel=1)
  boxes = {}
  for benchmark in (FOLDER, matlab):
    task = Task(benchmark, sequences, of_folder)
    folder = evaluate.run('ours', first_box, task, tmp_path)
    assert folder == tmp_path / benchmark.name / 'ours'
    seconds = np.loadtxt(folder / 'times' / 'synthetic-0000_time.txt')
    decoded = np.loadtxt(folder / 'times' / 'synthetic-0000_with_decode.txt')
    assert seconds.shape == decoded.shape == (6,)
    assert (decoded >= seconds).all()
    boxes[benchmark] = read_boxes(folder / 'synthetic-0000.txt')
  moved = boxes[matlab] - boxes[FOLDER]
  np.testing.assert_allclose(moved, [[1, 1, 0, 0]] * 6, atol=1e-9)


class Failing(BaselineFollower):
  """Baseline that counts targets, and fails once, on target number `at`."""

  def __init__(self, at):
    super().__init__('first_box')
    self.starts, self._at = 0, at

  def start(self, image, boxes_xywh):
    self.starts += 1
    super().start(image, boxes_xywh)

  def advance(self, images):
    if self.starts == self._at:
      self._at = None
      raise ValueError('out of order')
    return super().advance(images)


def test_an_interrupted_run_continues_where_it_stopped(sequences, tmp_path):
  follower = Failing(at=2)
  task = folder_task(sequences)
  with pytest.raises(ValueError, match='out of order'):
    evaluate.run('ours', follower, task, tmp_path)
  folder = tmp_path / 'folder' / 'ours'
  assert [path.name for path in folder.glob('*.txt')] == ['synthetic-0000.txt']
  for starts in (3, 3):
    evaluate.run('ours', follower, task, tmp_path)
    assert follower.starts == starts
  # A sequence with an incomplete result is tracked again.
  file = folder / 'synthetic-0000.txt'
  file.write_text(file.read_text().partition('\n')[0] + '\n')
  evaluate.run('ours', follower, task, tmp_path)
  assert follower.starts == 4


class OneFails:
  """Tracker in the place of OpenCV's MIL: `fails` lists the failing starts."""

  fails: ClassVar[set[int]] = {1}
  starts = 0

  @classmethod
  def create(cls):
    return cls()

  def init(self, image, box):
    OneFails.starts += 1
    self._box = box
    if OneFails.starts in self.fails:
      raise cv2.error('no memory')

  def update(self, image):
    return True, self._box


def test_a_failure_of_a_baseline_is_in_the_report_and_not_repeated(
  sequences, tmp_path, monkeypatch, capsys
):
  monkeypatch.setattr(cv2, 'TrackerMIL', OneFails)
  monkeypatch.setattr(OneFails, 'starts', 0)
  task, trackers = folder_task(sequences), {'mil': BaselineFollower('mil')}
  evaluate.evaluate(trackers, task, tmp_path)
  folder = tmp_path / 'folder' / 'mil'
  (failed,) = json.loads((folder / 'failures.json').read_text())
  boxes = read_boxes(folder / f'{failed}.txt')
  np.testing.assert_array_equal(boxes, boxes[:1].repeat(6, 0))
  scores = json.loads((tmp_path / 'scores.json').read_text())
  reason = scores['failed']['mil'][failed]
  assert reason.endswith("px, OpenCV's TrackerMIL stops with no memory")
  printed = capsys.readouterr().out
  assert f'mil: failed on {failed}, so that the previous box is' in printed
  head, *rows = (tmp_path / 'sequences.csv').read_text().splitlines()
  assert head.endswith(',failure')
  assert [row.endswith('no memory"') for row in rows] == [
    row.startswith(failed) for row in rows
  ]
  # The result is complete, so the sequence is not tracked again.
  evaluate.run('mil', BaselineFollower('mil'), task, tmp_path)
  assert OneFails.starts == 2
  # Without the result, it is tracked again, and the reason is replaced.
  (folder / f'{failed}.txt').unlink()
  evaluate.run('mil', BaselineFollower('mil'), task, tmp_path)
  assert failures.read(folder) == {}


def test_a_malformed_list_of_failures_is_refused(tmp_path):
  for text in ('[]', '{', '{"a": 1}'):
    (tmp_path / 'failures.json').write_text(text)
    with pytest.raises(ValueError, match=r'failures\.json: not a JSON object'):
      failures.read(tmp_path)


def test_results_of_another_tracker_in_the_folder_are_refused(
  sequences, tmp_path
):
  task = folder_task(sequences)
  evaluate.run('ours', BaselineFollower('first_box'), task, tmp_path)
  with pytest.raises(
    ValueError, match=r'tracker \(different in tracker\.json: baseline\)'
  ):
    evaluate.run('ours', BaselineFollower('mil'), task, tmp_path)
  (tmp_path / 'folder' / 'ours' / 'tracker.json').unlink()
  with pytest.raises(ValueError, match=r'has files but no tracker\.json'):
    evaluate.run('ours', BaselineFollower('first_box'), task, tmp_path)


def test_the_number_of_lanes_does_not_change_results(
  sequences, tiny_model, tmp_path
):
  task, files = folder_task(sequences), []
  for count in (1, 2):
    engine = Engine(tiny_model, count)
    folder = evaluate.run('ours', engine, task, tmp_path / str(count))
    files.append([read_boxes(path) for path in sorted(folder.glob('*.txt'))])
    speed = json.loads((folder / 'times' / 'speed.json').read_text())
    assert speed['frames'] == sum(map(len, task.sequences))
    assert speed['programs'] == 6
    assert speed['frames_per_second'] >= speed['frames_per_second_with_decode']
  for one, other in zip(*files, strict=True):
    # Only the order of float32 sums differs, so boxes agree to 1e-3 px.
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_an_archive_is_written_for_a_hidden_benchmark(
  sequences, tmp_path, capsys
):
  root = tmp_path / 'GOT-10k'
  for number, sequence in enumerate(benchmarks.sequences(FOLDER, sequences), 1):
    folder = root / 'test' / f'GOT-10k_Test_{number:06d}'
    shutil.copytree(sequence.frame_paths[0].parent, folder)
    (folder / 'groundtruth.txt').write_text('5,6,7,8\n')
  benchmark = benchmarks.get('got10k_test')
  task = Task(benchmark, root, benchmarks.sequences(benchmark, root))
  evaluate.evaluate({'ours': BaselineFollower('first_box')}, task, tmp_path)
  path = tmp_path / 'got10k_test' / 'ours.zip'
  printed = capsys.readouterr().out
  assert f'{path}: 2 sequences; 178 are missing' in printed
  name = 'GOT-10k_Test_000002'
  with zipfile.ZipFile(path) as archive:
    assert f'{name}/{name}_time.txt' in archive.namelist()
    rows = archive.read(f'{name}/{name}_001.txt').decode().splitlines()
  assert rows[0] == '5.000,6.000,7.000,8.000'
  with pytest.raises(
    ValueError, match=r'GOT-10k_Test_000003_001\.txt is missing'
  ):
    archives.check(path, benchmark)


def test_sequences_can_be_selected_by_name(sequences):
  selected = benchmarks.sequences(FOLDER, sequences, ['synthetic-0001'])
  assert [sequence.name for sequence in selected] == ['synthetic-0001']


def test_an_official_sequence_that_the_folder_lacks_can_be_excluded(
  sequences, tmp_path
):
  benchmark = dataclasses.replace(
    FOLDER, sequences=('synthetic-0000', 'synthetic-0001', 'synthetic-0002')
  )
  left_out = ['synthetic-0000', 'synthetic-0002']
  found = benchmarks.sequences(benchmark, sequences, exclude=left_out)
  assert [sequence.name for sequence in found] == ['synthetic-0001']
  with pytest.raises(ValueError, match='no sequence synthetic-0002'):
    benchmarks.sequences(benchmark, sequences, ['synthetic-0002'])
