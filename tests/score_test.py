"""The score command from flags to files."""

import json
import shutil

import cv2
import numpy as np
import pytest
from matplotlib.image import imread

from acm_jax import score
from acm_jax.host import command
from tests.evaluation import walks

TRUE = np.array([[15, 25, 30, 40]] * 4, dtype=float)


@pytest.fixture
def workplace(tmp_path):
  """Annotations of two sequences, a perfect tracker and one that stays."""
  moving = TRUE + np.arange(4)[:, None] * [[60, 0, 0, 0]]
  truth = {'a': {'gt_rect': TRUE.tolist()}, 'b': {'gt_rect': moving.tolist()}}
  (tmp_path / 'truth.json').write_text(json.dumps(truth))
  for tracker, b in (('perfect', moving), ('stays', TRUE)):
    (tmp_path / tracker).mkdir()
    np.savetxt(tmp_path / tracker / 'a.txt', TRUE, delimiter=',')
    np.savetxt(tmp_path / tracker / 'b.txt', b, delimiter='\t')
  return tmp_path


TABLES = {'table.md', 'table.tex', 'table.csv', 'sequences.csv'}


def run(folder, trackers=('perfect', 'stays'), **changes):
  chosen = {
    'benchmark': 'folder',
    'annotations': folder / 'truth.json',
    'out': folder / 'out',
  } | changes
  argv = ['score', *(f'--{k}={v}' for k, v in chosen.items())]
  argv += [f'--results={folder / name}' for name in trackers]
  return command.run(score.define, score.main, score.__doc__, argv)


def scores(folder):
  return json.loads((folder / 'out' / 'scores.json').read_text())


def test_scores_of_two_trackers_are_written(workplace):
  assert run(workplace) == 0
  content = scores(workplace)
  assert content['benchmark'] == 'folder'
  assert content['protocol'] == 'pysot'
  assert content['partial'] is False
  perfect, stays = content['trackers']['perfect'], content['trackers']['stays']
  assert perfect['success_auc'] == pytest.approx(20 / 21, abs=1e-6)
  assert perfect['average_overlap'] == 1.0
  # All four frames of a and the first of b.
  assert stays['precision_20'] == (1 + 1 / 4) / 2
  assert stays['average_overlap'] == 0.5
  assert stays['sequences']['b']['success_rate_50'] == 0.0
  # Both sequences, or one of them twice.
  assert stays['success_auc_95'] == [
    stays['sequences'][name]['success_auc'] for name in 'ba'
  ]


def test_the_table_is_plain_and_names_benchmark_and_protocol(workplace, capsys):
  run(workplace)
  lines = capsys.readouterr().out.splitlines()
  assert lines[0].strip() == 'folder, 2 of 2 sequences, protocol pysot'
  assert lines[2].split() == ['perfect', '0.9524', *['1.0000'] * 5]
  assert lines[3].split()[0] == 'stays'


def test_curves_and_tables_are_written_and_nothing_else(workplace):
  run(workplace)
  names = ('success', 'precision', 'normalized_precision')
  files = {path.name for path in (workplace / 'out').iterdir()}
  curves = {f'{name}.{kind}' for name in names for kind in ('png', 'csv')}
  assert files == {'scores.json', *curves, *TABLES}
  assert imread(workplace / 'out' / 'success.png').std() > 0.01
  table = (workplace / 'out' / 'success.csv').read_text().splitlines()
  assert table[0] == 'threshold,perfect,stays'
  assert table[1] == '0,1,0.625'
  assert len(table) == 22
  each = (workplace / 'out' / 'sequences.csv').read_text().splitlines()
  assert each[0].startswith('sequence,tracker,success')
  assert [row.split(',')[:2] for row in each[1:]] == [
    ['a', 'perfect'],
    ['b', 'perfect'],
    ['a', 'stays'],
    ['b', 'stays'],
  ]


def test_runs_of_the_reset_protocol_are_analysed(workplace, capsys):
  truth = {'bag': {'gt_rect': TRUE.tolist() * 5, 'width': 99, 'height': 99}}
  (workplace / 'truth.json').write_text(json.dumps(truth))
  region = ','.join(map(str, TRUE[0]))
  lines = ['1', *[region] * 11, '2', *['0'] * 4, '1', *[region] * 2]
  for tracker, rows in (('fails', lines), ('holds', ['1', *[region] * 19])):
    place = workplace / tracker / 'baseline' / 'bag'
    place.mkdir(parents=True)
    (place / 'bag_001.txt').write_text('\n'.join(rows) + '\n')
  trackers = ['fails', 'holds']
  for protocol, failing in (('pysot', 5.0), ('vot_toolkit', np.exp(-1.5))):
    flags = {'benchmark': 'vot2018', 'protocol': protocol}
    assert run(workplace, trackers, **flags) == 0
    fails, holds = (scores(workplace)['trackers'][t] for t in trackers)
    assert (fails['failures'], holds['failures']) == (1, 0)
    assert fails['accuracy'] == holds['accuracy'] == 1.0
    assert fails['robustness'] == pytest.approx(failing, abs=1e-6)
    assert set(fails['sequences']) == {'bag'}
  table = capsys.readouterr().out.splitlines()
  assert table[1].split() == ['tracker', 'A', 'R', 'failures', 'EAO']
  # Without a failure, the run is too short for an EAO.
  assert table[3].split()[0] == 'holds'
  assert table[3].split()[-1] == '-'
  files = {path.name for path in (workplace / 'out').iterdir()}
  plot = 'accuracy_robustness'
  assert files == {'scores.json', f'{plot}.png', f'{plot}.csv', *TABLES}
  flags = {'benchmark': 'vot2018', 'protocol': 'otb'}
  assert run(workplace, trackers, **flags) == 2
  assert 'of the reset protocol there are pysot' in capsys.readouterr().err
  assert run(workplace, ['perfect', 'fails'], benchmark='vot2018') == 2
  assert 'score them apart' in capsys.readouterr().err
  assert run(workplace, ['fails'], benchmark='folder') == 2
  assert 'of folder --protocol pysot scores one pass' in capsys.readouterr().err


@pytest.fixture
def walked(tmp_path):
  """Sequences and results as VOT's toolkit has them."""
  walks.write(tmp_path)
  for name in walks.LENGTHS:
    images = tmp_path / 'sequences' / name / 'color'
    images.mkdir()
    size = *walks.SIZE[::-1], 3
    cv2.imwrite(str(images / '00000001.jpg'), np.zeros(size, np.uint8))
  names = '\n'.join(walks.LENGTHS)
  (tmp_path / 'sequences' / 'list.txt').write_text(names)
  return tmp_path


@pytest.mark.parametrize(
  ('place', 'benchmark', 'plot', 'expected'),
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
def test_newer_protocols_of_vot_are_scored(
  walked, capsys, place, benchmark, plot, expected
):
  ours = walked / 'ours'
  shutil.copytree(walked / 'results' / 'x' / place, ours / place)
  flags = {'benchmark': benchmark, 'annotations': walked / 'sequences'}
  assert run(walked, ['ours'], **flags) == 0
  found = scores(walked)
  assert found['protocol'] == 'vot_toolkit'
  assert found['trackers']['ours'].items() >= expected.items()
  assert f'{benchmark}, 4 of 4 sequences' in capsys.readouterr().out
  assert (walked / 'out' / f'{plot}.png').stat().st_size > 0
  # Where there are results of both, the benchmark says which are meant.
  shutil.copytree(walked / 'results' / 'x', ours, dirs_exist_ok=True)
  assert run(walked, ['ours'], **flags) == 0
  assert scores(walked)['trackers']['ours'].items() >= expected.items()
  capsys.readouterr()
  shutil.rmtree(ours)
  shutil.copytree(walked / 'results' / 'x' / place, ours / place)
  # Results of another experiment than the benchmark's are not guessed at.
  assert run(walked, ['ours'], **flags | {'benchmark': 'vot2018'}) == 2
  assert 'vot2018 --protocol pysot scores the reset' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('file', 'text', 'message'),
  [
    (
      'baseline/d/d_00000000.txt',
      '1\n0\n',
      '2 rows for 60 frames from 0 on',
    ),
    (
      'baseline/d/d_00000050.txt',
      '1\n' + '0\n' * 9,
      '10 rows for 51 frames from 50 backward',
    ),
    ('baseline/d/d_00000000.txt', '0\n' * 60, 'row 1: not 1, a start'),
    ('baseline/d/d_00000000.txt', '1\n0\n' * 30, 'row 3: 1, a start, only at'),
    ('baseline/d/d_00000059.txt', None, 'd_00000059.txt: no such file; 2 of'),
    ('baseline/d/d_00000007.txt', '1\n', 'frame of an anchor of the sequence:'),
    ('baseline/d/d_00000100.txt', '1\n', 'must end in the frame of an anchor'),
    ('baseline/d/d_001.txt', '1\n', 'must end in the frame of an anchor'),
    ('longterm/d/d_001.txt', '0\n' * 60, 'row 1: not 1, a start'),
    ('longterm/d/d_001.txt', '1\n0\n', '2 rows for 60 annotated frames'),
    ('longterm/d/d_001_confidence.value', '\nx\n', "row 2: 'x' is no number"),
    ('longterm/d/d_001_confidence.value', None, 'no such file; the confidence'),
  ],
)
def test_a_bad_result_of_newer_protocols_is_named(
  walked, capsys, file, text, message
):
  place = file.partition('/')[0]
  ours = walked / 'ours'
  shutil.copytree(walked / 'results' / 'x' / place, ours / place)
  if text is None:
    (ours / file).unlink()
  else:
    (ours / file).write_text(text)
  benchmark = {'baseline': 'vot2022_stb', 'longterm': 'vot_lt'}[place]
  flags = {'benchmark': benchmark, 'annotations': walked / 'sequences'}
  assert run(walked, ['ours'], **flags) == 2
  told = capsys.readouterr().err
  assert message in told
  assert file in told


def test_anchors_are_not_guessed(walked, capsys):
  ours = walked / 'ours'
  shutil.copytree(walked / 'results' / 'x' / 'baseline', ours / 'baseline')
  flags = {'benchmark': 'vot2022_stb', 'annotations': walked / 'sequences'}
  file = walked / 'sequences' / 'd' / 'anchor.value'
  for text, message in (
    (None, 'd: no anchor of it is known; take the official root'),
    ('1\n' * 61, 'd/anchor.value: 61 rows for 60 annotated frames'),
    ('1\nx\n', "d/anchor.value row 2: 'x' is not all numbers"),
    ('1\nnan\n', 'd/anchor.value row 2: not finite; give 1 forward'),
  ):
    file.unlink() if text is None else file.write_text(text)
    assert run(walked, ['ours'], **flags) == 2
    assert message in capsys.readouterr().err


def test_results_of_one_pass_and_binary_ones_are_pointed_out(walked, capsys):
  flags = {'benchmark': 'vot_lt', 'annotations': walked / 'sequences'}
  (walked / 'flat').mkdir()
  (walked / 'flat' / 'd.txt').write_text('1,2,3,4\n' * 60)
  assert run(walked, ['flat'], **flags) == 2
  told = capsys.readouterr().err
  assert 'these are of one pass; of vot_lt --protocol vot_toolkit' in told
  (walked / 'ours' / 'longterm' / 'd').mkdir(parents=True)
  (walked / 'ours' / 'longterm' / 'd' / 'd_001.bin').write_bytes(b'\0')
  assert run(walked, ['ours'], **flags) == 2
  assert 'VOT_RESULTS_BINARY=0' in capsys.readouterr().err


def test_success_is_told_by_attribute(workplace):
  truth = json.loads((workplace / 'truth.json').read_text())
  truth['a']['attr'], truth['b']['attr'] = ['Blur'], ['Blur', 'Scale']
  (workplace / 'truth.json').write_text(json.dumps(truth))
  assert run(workplace) == 0
  content = scores(workplace)
  b = {n: t['sequences']['b'] for n, t in content['trackers'].items()}
  assert content['attributes']['Scale'] == {
    'sequences': 1,
    'success_auc': {name: b[name]['success_auc'] for name in b},
  }
  assert content['attributes']['Blur']['sequences'] == 2
  table = (workplace / 'out' / 'attributes.csv').read_text().splitlines()
  assert table[0] == 'attribute,perfect,stays'
  assert [row.split(',')[0] for row in table[1:]] == ['Blur', 'Scale']
  assert imread(workplace / 'out' / 'attributes.png').std() > 0.01


def test_several_runs_of_a_sequence_are_averaged(workplace):
  np.savetxt(workplace / 'perfect' / 'a_001.txt', TRUE, delimiter=',')
  np.savetxt(workplace / 'perfect' / 'a_002.txt', TRUE + 500, delimiter=',')
  (workplace / 'perfect' / 'a.txt').unlink()
  assert run(workplace, ['perfect']) == 0
  figures = scores(workplace)['trackers']['perfect']['sequences']
  assert figures['a']['precision_20'] == 0.5
  assert figures['b']['precision_20'] == 1.0


def test_trackers_are_compared_on_the_sequences_that_all_have(
  workplace, capsys
):
  (workplace / 'stays' / 'b.txt').unlink()
  assert run(workplace) == 0
  content = scores(workplace)
  assert content['partial'] is True
  assert content['coverage'] == '1 of 2 sequences'
  assert content['missing'] == ['b']
  assert set(content['trackers']['perfect']['sequences']) == {'a'}
  assert 'not scored: b' in capsys.readouterr().out


def test_a_report_says_who_lacks_what_and_how_many_runs_there_are(
  workplace, capsys
):
  np.savetxt(workplace / 'stays' / 'a_002.txt', TRUE, delimiter=',')
  (workplace / 'perfect' / 'b.txt').unlink()
  assert run(workplace) == 0
  content = scores(workplace)
  assert content['lacking'] == {'perfect': ['b']}
  assert content['runs'] == {'stays': {'a': 2}}
  told = capsys.readouterr().out
  assert 'perfect: no result of b' in told
  assert 'stays: several runs, averaged: a (2 runs)' in told


def test_a_hidden_test_set_is_not_scored_by_its_first_boxes(workplace, capsys):
  rows = [[10, 10, 5, 5], *[[np.nan] * 4] * 3]
  truth = {'GOT-10k_Test_000001': {'gt_rect': rows}}
  (workplace / 'truth.json').write_text(json.dumps(truth))
  (workplace / 'perfect' / 'a.txt').rename(
    workplace / 'perfect' / 'GOT-10k_Test_000001.txt'
  )
  assert run(workplace, ['perfect'], benchmark='got10k_test') == 2
  told = capsys.readouterr().err
  assert 'got10k_test: only its server has the annotations; --check' in told
  assert not (workplace / 'out').exists()


def test_the_interval_of_got10k_is_of_its_pooled_success(workplace):
  first, second = 'GOT-10k_Val_000001', 'GOT-10k_Val_000002'
  long, short = np.tile(TRUE, (10, 1)), TRUE
  truth = {
    name: {'gt_rect': rows.tolist(), 'absent': [1] * len(rows)}
    for name, rows in ((first, long), (second, short))
  }
  (workplace / 'truth.json').write_text(json.dumps(truth))
  folder = workplace / 'ours'
  folder.mkdir()
  np.savetxt(folder / f'{first}.txt', long, delimiter=',')
  away = short + np.array([500, 0, 0, 0])
  np.savetxt(folder / f'{second}.txt', away, delimiter=',')
  assert run(workplace, ['ours'], benchmark='got10k_val') == 0
  ours = scores(workplace)['trackers']['ours']
  # 39 frames of the one and 3 of the other count.
  assert ours['success_auc'] == pytest.approx(20 / 21 * 39 / 42, abs=1e-6)
  assert ours['success_auc_95'] == [0.0, pytest.approx(20 / 21, abs=1e-6)]


def test_an_area_is_not_called_a_precision_at_a_threshold(workplace, capsys):
  assert run(workplace, protocol='trackingnet') == 0
  head = capsys.readouterr().out.splitlines()[1]
  assert 'P (area)' in head
  assert 'P@20' not in head


def test_what_an_earlier_report_left_is_removed(workplace):
  (workplace / 'out').mkdir()
  for name in ('attributes.png', 'accuracy_robustness.csv', 'notes.txt'):
    (workplace / 'out' / name).write_text('old')
  assert run(workplace) == 0
  files = {path.name for path in (workplace / 'out').iterdir()}
  assert 'notes.txt' in files
  assert not {'attributes.png', 'accuracy_robustness.csv'} & files


def test_an_annotation_shorter_than_the_official_one_is_named(
  workplace, capsys
):
  (workplace / 'truth.json').write_text(
    json.dumps({'Couple': {'gt_rect': TRUE.tolist()}})
  )
  (workplace / 'stays' / 'a.txt').rename(workplace / 'stays' / 'Couple.txt')
  assert run(workplace, ['stays'], benchmark='otb100') == 0
  assert scores(workplace)['cropped'] == {'Couple': [4, 140]}
  assert 'of the official ones: Couple (4 of 140)' in capsys.readouterr().out


def test_a_part_of_an_official_list_is_partial(workplace):
  entry = {'Couple': {'gt_rect': TRUE.tolist()}}
  (workplace / 'truth.json').write_text(json.dumps(entry))
  (workplace / 'perfect' / 'a.txt').rename(workplace / 'perfect' / 'couple.txt')
  assert run(workplace, ['perfect'], benchmark='otb100') == 0
  content = scores(workplace)
  assert content['coverage'] == '1 of 100 sequences'
  assert content['partial'] is True
  assert len(content['missing']) == 99
  assert content['ignored'] == {'perfect': ['b.txt']}


def test_a_result_that_ends_early_is_scored_and_named(workplace, capsys):
  np.savetxt(workplace / 'perfect' / 'a.txt', TRUE[:3], delimiter=',')
  assert run(workplace) == 0
  assert scores(workplace)['short'] == {'perfect': {'a': 3}}
  figures = scores(workplace)['trackers']['perfect']['sequences']['a']
  assert figures['precision_20'] == 0.75
  assert 'perfect: results end early' in capsys.readouterr().out


def test_a_figure_of_no_frames_is_null(workplace):
  truth = {'a': {'gt_rect': TRUE[:1].tolist()}}
  (workplace / 'truth.json').write_text(json.dumps(truth))
  np.savetxt(workplace / 'perfect' / 'a.txt', TRUE[:1], delimiter=',')
  assert run(workplace, ['perfect']) == 0
  assert scores(workplace)['trackers']['perfect']['average_overlap'] is None


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'benchmark': 'otb'}, "unknown benchmark 'otb': choose one of otb100"),
    ({'protocol': 'ours'}, '--protocol ours: of one pass there are pysot'),
    ({'annotations': 'none.json'}, 'none.json: no such file'),
    ({'trackers': ['nobody']}, 'nobody: no such folder of results'),
    ({'trackers': []}, '--results'),
    ({'trackers': ['stays', 'stays']}, "two trackers are called 'stays'"),
    ({'trackers': ['empty']}, 'empty: no <sequence>.txt'),
    ({'trackers': ['long']}, '5 rows for 4 annotated frames'),
    ({'trackers': ['torn']}, 'a.txt row 2: 3 values, not 4'),
    ({'trackers': ['one_a', 'one_b']}, 'a result of every tracker'),
    ({'protocoll': 'pysot'}, 'protocoll'),
  ],
  ids=[
    'benchmark',
    'protocol',
    'annotations',
    'no_folder',
    'no_results',
    'same_name',
    'empty_folder',
    'long',
    'torn',
    'nothing_in_common',
    'flag',
  ],
)
def test_a_wrong_request_is_one_line_and_writes_nothing(
  workplace, capsys, changes, message
):
  for name in ('empty', 'long', 'torn', 'one_a', 'one_b'):
    (workplace / name).mkdir()
  (workplace / 'long' / 'a.txt').write_text('1,2,3,4\n' * 5)
  (workplace / 'torn' / 'a.txt').write_text('1,2,3,4\n1,2,3\n')
  (workplace / 'one_a' / 'a.txt').write_text('1,2,3,4\n')
  (workplace / 'one_b' / 'b.txt').write_text('1,2,3,4\n')
  assert run(workplace, **changes) == 2
  errors = capsys.readouterr().err.splitlines()
  assert len(errors) == 1
  assert message in errors[0]
  assert not (workplace / 'out').exists()


def test_help_shows_an_example(capsys):
  argv = ['score', '--help']
  assert command.run(score.define, score.main, score.__doc__, argv) == 0
  assert 'python -m acm_jax.score --benchmark' in capsys.readouterr().out


@pytest.mark.parametrize('flag', ['results', 'out', 'protocol'])
def test_a_check_takes_no_flags_of_scoring(run_command, flag):
  asked = '--benchmark=got10k_test', '--check=a.zip', f'--{flag}=x'
  code, _, errors = run_command(score, *asked)
  assert code == 2
  assert f'--{flag}: --check looks at an archive alone' in errors[0]
