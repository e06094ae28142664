"""The score command on results of the VOT challenge's experiments."""

import json
import shutil

import cv2
import numpy as np
import pytest

from acm_jax.evaluation import scoring
from tests.evaluation import walks
from tests.score_command import TABLES, content, run

BOX = '15.0,25.0,30.0,40.0'


@pytest.fixture
def resets(tmp_path):
  """Returns a folder with annotations and results of the reset experiment.

  The tracker `fails` fails once; the tracker `holds` never fails.
  """
  rows = [[15, 25, 30, 40]] * 20
  truth = {'bag': {'gt_rect': rows, 'width': 99, 'height': 99}}
  (tmp_path / 'truth.json').write_text(json.dumps(truth))
  fails = ['1', *[BOX] * 11, '2', *['0'] * 4, '1', *[BOX] * 2]
  holds = ['1', *[BOX] * 19]
  for tracker, lines in (('fails', fails), ('holds', holds)):
    sequence = tmp_path / tracker / 'baseline' / 'bag'
    sequence.mkdir(parents=True)
    (sequence / 'bag_001.txt').write_text('\n'.join(lines) + '\n')
  return tmp_path


@pytest.mark.parametrize(
  ('protocol', 'robustness'), [('pysot', 5.0), ('vot_toolkit', np.exp(-1.5))]
)
def test_runs_of_the_reset_experiment_are_scored(
  resets, capsys, protocol, robustness
):
  flags = {'benchmark': 'vot2018', 'protocol': protocol}
  assert run(resets, ['fails', 'holds'], flags) == 0
  trackers = content(resets)['trackers']
  fails, holds = trackers['fails'], trackers['holds']
  assert (fails['failures'], holds['failures']) == (1, 0)
  assert fails['accuracy'] == holds['accuracy'] == 1.0
  assert fails['robustness'] == pytest.approx(robustness, abs=1e-6)
  assert set(fails['sequences']) == {'bag'}
  _, head, _, last, *_ = capsys.readouterr().out.splitlines()
  assert head.split() == ['tracker', 'A', 'R', 'failures', 'EAO']
  # A run of 20 frames without a failure is too short for an EAO.
  name, *_, eao = last.split()
  assert (name, eao) == ('holds', '-')
  files = {path.name for path in (resets / 'out').iterdir()}
  plot = 'accuracy_robustness'
  assert files == {'scores.json', f'{plot}.png', f'{plot}.csv', *TABLES}


def test_protocols_and_benchmarks_of_other_experiments_are_refused(
  resets, capsys
):
  flags = {'benchmark': 'vot2018', 'protocol': 'otb'}
  assert run(resets, ['fails'], flags) == 2
  error = capsys.readouterr().err
  assert "--protocol: 'otb' does not score the reset experiment" in error
  assert run(resets, ['fails'], {'benchmark': 'folder'}) == 2
  error = capsys.readouterr().err
  assert 'on folder, --protocol=pysot scores the one-pass experiment' in error
  (resets / 'flat').mkdir()
  (resets / 'flat' / 'bag.txt').write_text(f'{BOX}\n' * 20)
  assert run(resets, ['flat', 'fails'], {'benchmark': 'vot2018'}) == 2
  error = capsys.readouterr().err
  assert 'score the folders of each experiment separately' in error


@pytest.fixture
def walked(tmp_path):
  """Returns a folder with sequences and results in vot-toolkit's layout."""
  walks.write(tmp_path)
  width, height = walks.SIZE
  for name in walks.LENGTHS:
    images = tmp_path / 'sequences' / name / 'color'
    images.mkdir()
    image = np.zeros((height, width, 3), np.uint8)
    cv2.imwrite(str(images / '00000001.jpg'), image)
  names = '\n'.join(walks.LENGTHS)
  (tmp_path / 'sequences' / 'list.txt').write_text(names)
  return tmp_path


def score(walked, benchmark):
  """Scores the tracker `ours`; returns the exit code."""
  annotations = walked / 'sequences'
  return run(
    walked, ['ours'], {'benchmark': benchmark, 'annotations': annotations}
  )


@pytest.mark.parametrize(
  ('results', 'benchmark', 'plot', 'expected'),
  [
    (
      'baseline',
      'vot2022_stb',
      'accuracy_robustness',
      {'accuracy': 0.585663, 'robustness': 0.550558, 'eao': 0.125374},
    ),
    (
      'longterm',
      'vot_lt',
      'precision_recall',
      {'precision': 0.516582, 'recall': 0.488221, 'f_score': 0.502001},
    ),
  ],
)
def test_anchor_and_long_term_results_are_scored(
  walked, capsys, results, benchmark, plot, expected
):
  ours, both = walked / 'ours', walked / 'results' / 'x'
  shutil.copytree(both / results, ours / results)
  assert score(walked, benchmark) == 0
  found = content(walked)
  assert found['protocol'] == 'vot_toolkit'
  assert found['trackers']['ours'].items() >= expected.items()
  assert f'{benchmark}, 4 of 4 sequences' in capsys.readouterr().out
  assert (walked / 'out' / f'{plot}.png').stat().st_size > 0
  # If there are results of both experiments, the benchmark decides.
  shutil.copytree(both, ours, dirs_exist_ok=True)
  shutil.rmtree(walked / 'out')
  assert score(walked, benchmark) == 0
  assert content(walked)['trackers']['ours'].items() >= expected.items()
  # Results of another experiment than the benchmark's are refused.
  shutil.rmtree(ours)
  shutil.copytree(both / results, ours / results)
  capsys.readouterr()
  shutil.rmtree(walked / 'out')
  assert score(walked, 'vot2018') == 2
  error = capsys.readouterr().err
  assert 'on vot2018, --protocol=pysot scores the reset experiment' in error


@pytest.mark.parametrize(
  ('file', 'text', 'message'),
  [
    (
      'baseline/d/d_00000000.txt',
      '1\n0\n',
      '2 rows for 60 frames from frame 0 on',
    ),
    (
      'baseline/d/d_00000050.txt',
      '1\n' + '0\n' * 9,
      '10 rows for 51 frames from frame 50 backward',
    ),
    ('baseline/d/d_00000000.txt', '0\n' * 60, 'row 1: must be 1 (start'),
    ('baseline/d/d_00000000.txt', '1\n0\n' * 30, 'row 3: 1 (start of the'),
    ('baseline/d/d_00000059.txt', None, 'no such file; only 2 of 3 anchors'),
    ('baseline/d/d_00000007.txt', '1\n', 'must end in the frame of an anchor'),
    ('baseline/d/d_00000100.txt', '1\n', 'must end in the frame of an anchor'),
    ('baseline/d/d_001.txt', '1\n', 'must end in the frame of an anchor'),
    ('longterm/d/d_001.txt', '0\n' * 60, 'row 1: must be 1 (start'),
    ('longterm/d/d_001.txt', '1\n0\n', '2 rows for 60 annotated frames'),
    (
      'longterm/d/d_001_confidence.value',
      '\nx\n',
      "row 2: 'x' is not a number",
    ),
    (
      'longterm/d/d_001_confidence.value',
      None,
      'no such file; it must hold the confidence',
    ),
  ],
)
def test_a_malformed_anchor_or_long_term_result_is_refused(
  walked, capsys, file, text, message
):
  results, _, _ = file.partition('/')
  ours = walked / 'ours'
  shutil.copytree(walked / 'results' / 'x' / results, ours / results)
  if text is None:
    (ours / file).unlink()
  else:
    (ours / file).write_text(text)
  benchmark = {'baseline': 'vot2022_stb', 'longterm': 'vot_lt'}[results]
  assert score(walked, benchmark) == 2
  error = capsys.readouterr().err
  assert message in error
  assert file in error


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    (None, 'd: has no anchors; use the official root folder of the benchmark'),
    ('1\n' * 61, 'd/anchor.value: 61 rows for 60 annotated frames'),
    ('1\nx\n', "d/anchor.value row 2: 'x' contains a value that"),
    ('1\nnan\n', 'd/anchor.value row 2: not finite'),
  ],
)
def test_missing_and_malformed_anchors_are_refused(
  walked, capsys, text, message
):
  results = walked / 'results' / 'x' / 'baseline'
  shutil.copytree(results, walked / 'ours' / 'baseline')
  file = walked / 'sequences' / 'd' / 'anchor.value'
  if text is None:
    file.unlink()
  else:
    file.write_text(text)
  assert score(walked, 'vot2022_stb') == 2
  assert message in capsys.readouterr().err


def test_rows_of_nan_are_scored_like_the_code_for_no_region(walked):
  ours, totals = walked / 'ours', []
  shutil.copytree(walked / 'results' / 'x' / 'longterm', ours / 'longterm')
  for row in ('0', 'nan,nan,nan,nan'):
    for path in ours.glob('*/*/*.txt'):
      rows = path.read_text().splitlines()
      # Sequences b and c have frames without a target among these rows.
      rows[5::7] = [row] * len(rows[5::7])
      path.write_text('\n'.join(rows) + '\n')
    report = scoring.compute('vot_lt', walked / 'sequences', [ours])
    totals.append(report.trackers['ours'].total.figures)
  assert totals[0] == totals[1]


def test_one_pass_results_are_not_scored_as_long_term_ones(walked, capsys):
  (walked / 'ours').mkdir()
  (walked / 'ours' / 'd.txt').write_text('1,2,3,4\n' * 60)
  assert score(walked, 'vot_lt') == 2
  error = capsys.readouterr().err
  assert '--results: the files are from the one-pass experiment' in error
  assert '--protocol=vot_toolkit scores the long-term experiment' in error


def test_binary_results_are_refused_with_advice(walked, capsys):
  file = walked / 'ours' / 'longterm' / 'd' / 'd_001.bin'
  file.parent.mkdir(parents=True)
  file.write_bytes(b'\0')
  assert score(walked, 'vot_lt') == 2
  assert 'VOT_RESULTS_BINARY=0' in capsys.readouterr().err
