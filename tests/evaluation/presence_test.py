"""Presence: scores of reports that the target is lost, files, calibration."""

import cv2
import numpy as np
import pytest

from acm_jax.evaluation import benchmarks, presence, scoring
from acm_jax.evaluation.experiments.one_pass import PRESENCE, OnePass
from acm_jax.evaluation.runs import boxes_alone
from acm_jax.evaluation.truth import Truth

BOX = np.array([10.0, 10, 20, 20])
AWAY = np.array([60.0, 10, 20, 20])
# The target is hidden in frames 3 and 4 of six.
TRUTH = Truth(np.array([BOX] * 6), np.isin(np.arange(6), (3, 4)))
FOLDER = benchmarks.get('folder')


def run_of(boxes, score, lost):
  return boxes_alone(boxes)._replace(
    confidence=np.array(score, float), lost=np.array(lost, bool)
  )


def test_figures_count_located_visible_frames_and_hidden_frames():
  run = run_of([BOX, BOX, AWAY, BOX, BOX, BOX], [1] * 6, [0, 0, 0, 0, 1, 1])
  # Reports of presence after frame 0: frames 1, 2 and 3. Only frame 1 is right.
  # Frames 1, 2 and 5 are visible.
  assert presence.figures(run, TRUTH) == {
    'presence_f1': pytest.approx(2 * 1 / (3 + 3)),
    # Losses: frames 4 (right) and 5. Hidden: frames 3 and 4.
    'absence_f1': pytest.approx(2 * 1 / (2 + 2)),
  }


@pytest.mark.parametrize('empty', [np.nan, 0.0], ids=['NaN', 'no area'])
def test_frames_without_a_true_box_are_hidden(empty):
  boxes = np.array([BOX] * 6)
  boxes[[3, 4]] = empty
  run = run_of([BOX] * 6, [1] * 6, [0, 0, 0, 1, 1, 0])
  assert presence.figures(run, Truth(boxes)) == {
    'presence_f1': 1.0,
    'absence_f1': 1.0,
  }


def test_missing_rows_are_reports_of_presence_without_a_box():
  run = run_of([BOX] * 4, [1] * 4, [0, 0, 0, 1])
  assert presence.figures(run, TRUTH) == {
    'presence_f1': pytest.approx(2 * 2 / (4 + 3)),
    'absence_f1': pytest.approx(2 * 1 / (1 + 2)),
  }


@pytest.mark.parametrize(
  ('run', 'truth'),
  [
    (boxes_alone([BOX] * 6), TRUTH),
    (run_of([BOX] * 6, [1] * 6, [0] * 6), Truth(TRUTH.region)),
  ],
  ids=['no_reports', 'no_hidden_frame'],
)
def test_figures_are_undefined_without_reports_or_hidden_frames(run, truth):
  assert np.isnan(list(presence.figures(run, truth).values())).all()


def test_calibration_finds_the_threshold_between_visible_and_hidden():
  runs = {
    'a': run_of([BOX] * 6, [1, 0.9, 0.8, 0.5, 0.4, 0.95], [0] * 6),
    # Without hidden frames; the low scores must not count.
    'b': run_of([BOX] * 6, [0.1] * 6, [0] * 6),
  }
  found = presence.calibrate(runs, {'a': TRUTH, 'b': Truth(TRUTH.region)})
  assert 0.5 < found.lost_score <= 0.8
  assert (found.presence_f1, found.sequences) == (1.0, 1)


def test_calibration_needs_hidden_frames():
  run = run_of([BOX] * 6, [1] * 6, [0] * 6)
  with pytest.raises(ValueError, match='no sequence has a frame in which'):
    presence.calibrate({'a': run}, {'a': Truth(TRUTH.region)})


def results(folder, score, lost):
  """Writes the result of a sequence `a` with hidden frames 3 and 4."""
  OnePass().write(folder, 'a', [run_of([BOX] * 6, score, lost)], FOLDER)
  return folder


@pytest.fixture
def annotations(tmp_path):
  root = tmp_path / 'truth'
  for name, rows in (
    ('annotations', [','.join(f'{v:g}' for v in BOX)] * 6),
    ('absent', ['0', '0', '0', '1', '1', '0']),
  ):
    (root / name).mkdir(parents=True)
    (root / name / 'a.txt').write_text('\n'.join(rows) + '\n')
  return root


def test_reports_are_read_as_written(tmp_path):
  score, lost = [1, 0.9, 0.25, 0.125, 0.5, 1], [0, 0, 0, 1, 1, 0]
  path = results(tmp_path, score, lost) / 'a.txt'
  run = OnePass().read(path, 'a', TRUTH, FOLDER)
  np.testing.assert_array_equal(run.confidence, score)
  np.testing.assert_array_equal(run.lost, np.array(lost, bool))
  assert OnePass().is_done(tmp_path, 'a', TRUTH, FOLDER)


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('1,0\n' * 5, r'presence/a\.txt: 5 rows, but the file of boxes has 6'),
    ('1,0\n' * 5 + '1,2\n', r'presence/a\.txt row 6.*0 \(present\) or 1'),
    ('1,0\n' * 5 + '1\n', r'presence/a\.txt row 6: 1 values, not 2'),
  ],
)
def test_malformed_reports_are_refused(tmp_path, text, message):
  path = results(tmp_path, [1] * 6, [0] * 6) / 'a.txt'
  (tmp_path / 'presence' / 'a.txt').write_text(text)
  with pytest.raises(ValueError, match=message):
    OnePass().read(path, 'a', TRUTH, FOLDER)


def test_trackers_are_compared_by_presence(tmp_path, annotations):
  never = results(tmp_path / 'never', [1] * 6, [0] * 6)
  right = results(tmp_path / 'right', [1] * 6, [0, 0, 0, 1, 1, 0])
  other = results(tmp_path / 'other', [1] * 6, [0] * 6)
  (other / 'presence' / 'a.txt').unlink()
  report = scoring.compute(
    'folder', annotations, [never, right, other], PRESENCE
  )
  head, *rows = report.table()
  assert head[-2:] == ['presence F1', 'absence F1']
  assert [(row[0], *row[-2:]) for row in rows] == [
    ('right', '1.0000', '1.0000'),
    ('never', '0.7500', '0.0000'),
    ('other', '-', '-'),
  ]
  assert not report.ignored


def tinytlp(root):
  """Writes a sequence in the layout of TinyTLP, with labels of absence."""
  rows = [
    f'{i + 1},{",".join(f"{v:g}" for v in BOX)},{i in (3, 4):d}'
    for i in range(6)
  ]
  write(root / 'Bike', 'groundtruth_rect.txt', rows)
  return 'Bike'


def lasot(root):
  """Writes a sequence in the layout of LaSOT; boxes are 1-based."""
  folder = root / 'bear' / 'bear-4'
  box = ','.join(f'{v:g}' for v in np.add(BOX, [1, 1, 0, 0]))
  write(folder, 'groundtruth.txt', [box] * 6)
  write(folder, 'full_occlusion.txt', ['0,0,0,1,0,0'])
  write(folder, 'out_of_view.txt', ['0,0,0,0,1,0'])
  return 'bear-4'


def write(folder, file, rows):
  images = folder / 'img'
  images.mkdir(parents=True, exist_ok=True)
  for number in range(1, 7):
    image = np.zeros((60, 100, 3), np.uint8)
    cv2.imwrite(str(images / f'{number:08d}.jpg'), image)
  (folder / file).write_text('\n'.join(rows) + '\n')


@pytest.mark.parametrize('layout', [tinytlp, lasot])
def test_labels_of_absence_are_scored_in_every_layout(tmp_path, layout):
  name = layout(tmp_path / 'data')
  benchmark = benchmarks.get(layout.__name__)
  run = run_of([BOX] * 6, [1] * 6, [0, 0, 0, 1, 1, 0])
  OnePass().write(tmp_path / 'ours', name, [run], benchmark)
  report = scoring.compute(
    benchmark.name, tmp_path / 'data', [tmp_path / 'ours']
  )
  figures = report.figures()['ours']
  assert figures['presence_f1'] == figures['absence_f1'] == 1.0


def test_tables_have_no_presence_where_no_target_is_hidden(
  tmp_path, annotations
):
  folder = results(tmp_path / 'ours', [1] * 6, [0] * 6)
  (annotations / 'absent' / 'a.txt').write_text('0\n' * 6)
  report = scoring.compute('folder', annotations, [folder])
  assert 'presence F1' not in report.table()[0]
  assert np.isnan(report.figures()['ours']['presence_f1'])
  with pytest.raises(ValueError, match='labelled absent'):
    scoring.compute('folder', annotations, [folder], PRESENCE)
