"""Result files: reading, writing, and the refusal of malformed files."""

import numpy as np
import pytest

from acm_jax.evaluation import benchmarks, results
from acm_jax.evaluation.experiments import EXPERIMENTS
from acm_jax.evaluation.experiments.one_pass import result_path
from acm_jax.evaluation.runs import (
  FAILED,
  INITIALISED,
  SKIPPED,
  TRACKED,
  boxes_alone,
  read_run,
  unbroken,
  write_run,
)
from acm_jax.evaluation.truth import Truth
from acm_jax.host import staging


def read(path, frames, name='a', benchmark='folder'):
  """Reads the boxes of a one-pass result, in the coordinates of the file."""
  truth = Truth(np.ones((frames, 4)))
  run = EXPERIMENTS['one_pass'].read(
    path, name, truth, benchmarks.get(benchmark)
  )
  return run.region


@pytest.mark.parametrize(
  'text',
  [
    '1,2,3,4\n5,6,7.5,8\n',
    '1, 2, 3, 4\n5, 6, 7.5, 8',
    '1\t2\t3\t4\n5\t6\t7.5\t8\n\n',
    '1 2  3 4\r\n5 6  7.5 8\r\n',
    '1,2,3,4\n5\t6\t7.5\t8\n',
    '1,2,3,4,\r5,6,7.5,8 ,\r',
  ],
  ids=['commas', 'commas_and_spaces', 'tabs', 'spaces', 'mixed', 'at_the_end'],
)
def test_separators_of_all_toolkits_are_read(tmp_path, text):
  path = tmp_path / 'a.txt'
  path.write_text(text)
  np.testing.assert_array_equal(
    read(path, frames=2), [[1, 2, 3, 4], [5, 6, 7.5, 8]]
  )


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('1,2,3,4\n1,2,3\n', r'a\.txt row 2: 3 values, not 4'),
    ('1,2,3,4,5\n', r'a\.txt row 1: 5 values, not 4'),
    ('1,2,3,4\n1,,3,4\n', r'a\.txt row 2'),
    ('1,2,3,4\nx,2,3,4\n', r'a\.txt row 2.*not a number'),
    ('1,2,3,4\n\n1,2,3,4\n', r'a\.txt row 2'),
    ('1,2,3,4\nnan,nan,nan,nan\n', r'a\.txt row 2.*finite'),
    ('1,2,3,4\n1,2,inf,4\n', r'a\.txt row 2.*finite'),
    ('1,2,3,4\n' * 4, r'a\.txt: 4 rows for 3 annotated frames'),
    (' \n', r'a\.txt: empty'),
  ],
  ids=[
    'short_row',
    'long_row',
    'empty_field',
    'word',
    'blank_row',
    'nan',
    'infinite',
    'too_many_rows',
    'empty',
  ],
)
def test_a_malformed_result_is_refused_with_file_and_row(
  tmp_path, text, message
):
  path = tmp_path / 'a.txt'
  path.write_text(text)
  with pytest.raises(ValueError, match=message):
    read(path, frames=3)


def test_an_image_is_not_a_result(tmp_path):
  (tmp_path / 'a.txt').write_bytes(b'\xff\xd8\xff\xe0')
  with pytest.raises(ValueError, match=r'a\.txt: not a text file'):
    read(tmp_path / 'a.txt', frames=3)


def test_additional_rows_are_read_only_if_the_benchmark_has_more_images(
  tmp_path,
):
  (tmp_path / 'a.txt').write_text('1,2,3,4\n5,6,7,8\n')
  with pytest.raises(ValueError, match=r'a\.txt: 2 rows for 1 annotated'):
    read(tmp_path / 'a.txt', frames=1)
  boxes = read(tmp_path / 'a.txt', 1, 'monkey-17', 'lasot')
  np.testing.assert_array_equal(boxes, [[1, 2, 3, 4], [5, 6, 7, 8]])


@pytest.mark.parametrize('rows', [1, 3])
def test_missing_rows_are_misses_and_additional_rows_are_ignored(rows):
  box = np.array([[10.0, 10, 5, 5]])
  run = boxes_alone(np.repeat(box, rows, 0))
  truth = Truth(np.repeat(box, 2, 0))
  analysis = EXPERIMENTS['one_pass'].analysis(benchmarks.get('lasot'), 'pysot')
  outcome = analysis.score({'a': [run]}, {'a': truth})
  # No overlap exceeds the last of the 21 thresholds.
  expected = 20 / 21 * min(rows, 2) / 2
  assert outcome.total['success_auc'] == pytest.approx(expected)
  assert dict(outcome.short) == ({'a': 1} if rows == 1 else {})
  assert dict(outcome.long) == ({'a': 3} if rows == 3 else {})


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('1;2;3;4\n', 'row 1: .*semicolons; give each frame a row'),
    ('1,2,3,4\n\n1,2,3,4\n', 'row 2: .*empty.*; give each frame a row'),
    ('1,2,3,4\n1,2,nan,4\n', 'row 2: a box must be finite numbers; repeat'),
  ],
)
def test_an_error_explains_what_is_wrong_with_a_row(tmp_path, text, message):
  (tmp_path / 'a.txt').write_text(text)
  with pytest.raises(ValueError, match=rf'a\.txt {message}'):
    read(tmp_path / 'a.txt', frames=3)


def test_a_byte_order_mark_is_ignored(tmp_path):
  (tmp_path / 'a.txt').write_text('\ufeff1,2,3,4\n', encoding='utf-8')
  boxes = read(tmp_path / 'a.txt', frames=1)
  np.testing.assert_array_equal(boxes, [[1, 2, 3, 4]])


def find(folder, names):
  """Finds the results of the named sequences in a folder."""
  match = benchmarks.matcher(benchmarks.get('folder'), names)
  return results.find_results(folder, folder, match)


def test_names_match_despite_other_case_and_separators(tmp_path):
  for name in ('jogging_1', 'Jogging.2', 'carDark', 'notes'):
    (tmp_path / f'{name}.txt').write_text('1,2,3,4\n')
  found, others = find(
    tmp_path, ['Jogging-1', 'Jogging-2', 'CarDark', 'Couple']
  )
  assert {name: path.stem for name, (path,) in found.items()} == {
    'Jogging-1': 'jogging_1',
    'Jogging-2': 'Jogging.2',
    'CarDark': 'carDark',
  }
  assert others == ['notes.txt']


def test_runs_are_found_in_the_layouts_of_all_toolkits(tmp_path):
  for name in (
    'a_001.txt',
    'a_002.txt',
    'b/b_001.txt',
    'b/b_002.txt',
    'b/b_time.txt',
    'times/a_time.txt',
    'c.txt',
    'd/e_001.txt',
  ):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('1,2,3,4\n')
  found, others = find(tmp_path, ['a', 'b', 'c', 'd', 'e'])
  assert {n: [path.name for path in paths] for n, paths in found.items()} == {
    'a': ['a_001.txt', 'a_002.txt'],
    'b': ['b_001.txt', 'b_002.txt'],
    'c': ['c.txt'],
  }
  assert others == ['d/e_001.txt']


@pytest.mark.parametrize(
  ('results', 'companions', 'ignored'),
  [
    ({'half_time': 'half_time.txt'}, ['half_time_time.txt'], []),
    ({'half': 'half.txt'}, ['half_time.txt'], []),
    ({'half': 'half_002.txt'}, ['half_002_time.txt', 'half_time.txt'], []),
    ({'half': 'half.txt', 'half_time': 'half_time.txt'}, [], []),
    ({'half': 'half.txt'}, [], ['best_time.txt']),
    ({'half': 'half.txt'}, ['best_time.txt'], ['best.txt']),
    ({'half': 'Half.txt'}, ['half_confidence.txt', 'half_value.txt'], []),
    ({'times': 'times/times_001.txt', 'a': 'a/a_001.txt'}, [], []),
    ({'times': 'times.txt', 'a': 'a.txt'}, ['times/a_time.txt'], []),
    ({'presence': 'presence.txt'}, ['presence/presence.txt'], []),
    ({'walk': 'walk/walk_002.txt', 'walk_002': 'walk_002.txt'}, [], []),
    ({'cam_20240131': 'cam_20240131.txt'}, [], []),
    ({'half': 'half.txt'}, ['._half.txt', '.git/half.txt'], []),
  ],
)
def test_a_companion_is_recognised_by_its_result(
  tmp_path, results, companions, ignored
):
  for name in (*results.values(), *companions, *ignored):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('1,2,3,4\n')
  found, others = find(tmp_path, list(results))
  assert found == {n: [tmp_path / file] for n, file in results.items()}
  assert others == ignored


@pytest.mark.parametrize(
  ('files', 'folder', 'message'),
  [
    (['DTB70/a.txt'], '', 'DTB70/ has results: give that folder'),
    (['r1/a.txt', 'r2/a.txt'], '', r'r1, r2 have results: .*_002\.txt'),
    (['results/r1/a.txt'], '', r'no <sequence>\.txt; results/r1/ has'),
    (['annotations/a.txt', 'r/r1/a.txt'], '', 'r/r1/ has results: give that'),
    (
      ['c.txt'],
      '',
      r'no results for sequences .*; c\.txt, for example, matches',
    ),
    (['baseline/a/a_001.txt'], 'baseline', 'give the folder of the tracker'),
  ],
  ids=['nested', 'two_runs', 'deep', 'beside', 'others', 'baseline'],
)
def test_an_error_suggests_another_folder(tmp_path, files, folder, message):
  for name in files:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text('1,2,3,4\n')
  with pytest.raises(ValueError, match=message):
    find(tmp_path / folder, ['a', 'b'])


def test_a_run_of_the_reset_experiment_is_read(tmp_path):
  path = tmp_path / 'a_001.txt'
  path.write_text('1\n1,2,3,4,\n2\n0\n1\n1 2\t3,4,5,6,7,8\n')
  run = read_run(path, (SKIPPED, INITIALISED, FAILED), frames=6)
  assert run.event.tolist() == [1, -1, 2, 0, 1, -1]
  assert [len(region) for region in run.region] == [0, 4, 0, 0, 0, 8]


@pytest.mark.parametrize(
  'row',
  ['nan,nan,nan,nan', 'NaN\tNaN NaN  NaN', ','.join(['nan'] * 8)],
)
@pytest.mark.parametrize(
  'codes', [(SKIPPED, INITIALISED, FAILED), (SKIPPED, INITIALISED)]
)
def test_a_region_of_nan_is_read_as_no_region(tmp_path, row, codes):
  path = tmp_path / 'a.txt'
  path.write_text(f'1\n{row}\n1,2,3,4\n{row}\n')
  run = read_run(path, codes, frames=4)
  assert [len(region) for region in run.region] == [0, 0, 4, 0]
  assert run.event.tolist() == [INITIALISED, TRACKED, TRACKED, TRACKED]


def test_no_region_is_written_in_one_form(tmp_path):
  box, nothing = np.array([1.0, 2, 3, 4]), np.full(4, np.nan)
  written = unbroken([box, box, np.zeros(0), nothing, np.full(8, np.nan)])
  path = tmp_path / 'a.txt'
  write_run(path, written)
  _, first, *others = path.read_text().splitlines()
  assert first == '1.0000,2.0000,3.0000,4.0000'
  assert others == ['nan,nan,nan,nan'] * 3
  run = read_run(path, (SKIPPED, INITIALISED), frames=5)
  assert [len(region) for region in run.region] == [0, 4, 0, 0, 0]
  # Codes are written as they were read.
  path.write_text('1\n0\n2,3,4,5\n')
  write_run(path, read_run(path, (SKIPPED, INITIALISED), frames=3))
  assert path.read_text().split() == ['1', '0', '2.0000,3.0000,4.0000,5.0000']


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('1\n3\n', r"a\.txt row 2: '3' is neither .* 0, 1, 2 nor a region"),
    ('1\n1,2,3\n', r'a\.txt row 2'),
    ('1\n1,2,3,nan\n', r'a\.txt row 2'),
    ('1\nnan,nan,nan,inf\n', r'a\.txt row 2'),
    ('1\nnan\n', r'a\.txt row 2'),
    ('1\nx,2,3,4\n', r'a\.txt row 2'),
    ('1\n1,2,,3,4\n', r'a\.txt row 2'),
    ('1\n', r'a\.txt: 1 rows for 2 annotated frames'),
    ('1\n0\n0\n', r'a\.txt: 3 rows for 2 annotated frames'),
    ('1,2,3,4\n0\n', r'a\.txt row 1: a region is only permitted after 1'),
    ('0\n1\n', r'a\.txt row 1: must be 1 .*, not 0'),
    ('1\n1\n', r'a\.txt row 2: 1 \(start .* permitted in row 1'),
    ('1\n0\n', r'a\.txt row 2: 0 \(skipped frame\) is only'),
    ('2\n1\n', r'a\.txt row 1: 2 \(failure\) is only permitted'),
  ],
)
def test_a_malformed_run_is_refused_with_file_and_row(tmp_path, text, message):
  path = tmp_path / 'a.txt'
  path.write_text(text)
  with pytest.raises(ValueError, match=message):
    read_run(path, (SKIPPED, INITIALISED, FAILED), frames=2)


def test_a_folder_without_results_is_refused(tmp_path):
  with pytest.raises(NotADirectoryError, match='no such folder; give'):
    find(tmp_path / 'none', ['Couple'])
  with pytest.raises(ValueError, match=r'no <sequence>\.txt; give the folder'):
    find(tmp_path, ['Couple'])


def test_results_of_other_sequences_are_refused(tmp_path):
  (tmp_path / 'bike1.txt').write_text('1,2,3,4\n')
  with pytest.raises(
    ValueError, match=r'bike1\.txt, for example, matches no sequence'
  ):
    find(tmp_path, ['Couple'])


def test_two_results_of_one_sequence_are_refused(tmp_path):
  for name in ('Jogging-1', 'jogging_1'):
    (tmp_path / f'{name}.txt').write_text('1,2,3,4\n')
  with pytest.raises(
    ValueError, match=r'jogging_1\.txt: is run 1 of Jogging-1, and so'
  ):
    find(tmp_path, ['Jogging-1'])


@pytest.mark.parametrize(('benchmark', 'base'), [('otb100', 1), ('folder', 0)])
def test_a_written_result_has_the_pixel_base_of_the_benchmark(
  tmp_path, benchmark, base
):
  boxes = np.array([[0, 10, 20, 30], [0.5, 10.25, 20, 30]], dtype=np.float32)
  folder, benchmark = tmp_path / 'new' / 'ours', benchmarks.get(benchmark)
  experiment, truth = EXPERIMENTS['one_pass'], Truth(np.ones((2, 4)))
  experiment.write(folder, 'Couple', [boxes_alone(boxes)], benchmark)
  path = result_path(folder, 'Couple', benchmark)
  written = experiment.read(path, 'Couple', truth, benchmark)
  np.testing.assert_array_equal(
    written.region, boxes + np.array([base, base, 0, 0])
  )
  np.testing.assert_array_equal(written.boxes(2), boxes)
  assert [p.name for p in path.parent.iterdir()] == ['Couple.txt']


def test_a_failed_write_keeps_the_old_file(tmp_path):
  path = tmp_path / 'a.txt'
  path.write_text('old')

  def fail_halfway():
    with staging.replacing(path) as temporary:
      temporary.write_text('half')
      raise RuntimeError

  with pytest.raises(RuntimeError):
    fail_halfway()
  assert path.read_text() == 'old'
  assert list(tmp_path.iterdir()) == [path]
