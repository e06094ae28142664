"""The score command on one-pass results, from flags to files."""

import json

import numpy as np
import pytest
from matplotlib.image import imread

from acm_jax import score
from acm_jax.host import command
from tests.score_command import TABLES, content, run

TRUE = np.array([[15, 25, 30, 40]] * 4, dtype=float)


@pytest.fixture
def folder(tmp_path):
  """Returns a folder with annotations and results of two sequences.

  The tracker `perfect` returns the true boxes; `stays` keeps the first box.
  """
  moving = TRUE + np.arange(4)[:, None] * [[60, 0, 0, 0]]
  truth = {'a': {'gt_rect': TRUE.tolist()}, 'b': {'gt_rect': moving.tolist()}}
  (tmp_path / 'truth.json').write_text(json.dumps(truth))
  for tracker, b in (('perfect', moving), ('stays', TRUE)):
    (tmp_path / tracker).mkdir()
    np.savetxt(tmp_path / tracker / 'a.txt', TRUE, delimiter=',')
    np.savetxt(tmp_path / tracker / 'b.txt', b, delimiter='\t')
  return tmp_path


def test_scores_of_two_trackers_are_written(folder):
  assert run(folder) == 0
  found = content(folder)
  assert found['benchmark'] == 'folder'
  assert found['protocol'] == 'pysot'
  assert found['partial'] is False
  perfect, stays = found['trackers']['perfect'], found['trackers']['stays']
  assert perfect['success_auc'] == pytest.approx(20 / 21, abs=1e-6)
  assert perfect['average_overlap'] == 1.0
  # The box that stays hits all four frames of a and the first frame of b.
  assert stays['precision_20'] == (1 + 1 / 4) / 2
  assert stays['average_overlap'] == 0.5
  assert stays['sequences']['b']['success_rate_50'] == 0.0
  # The bounds are the draws with the same sequence twice.
  assert stays['success_auc_95'] == [
    stays['sequences'][name]['success_auc'] for name in 'ba'
  ]


def test_the_table_is_plain_text_and_names_benchmark_and_protocol(
  folder, capsys
):
  run(folder)
  heading, _, perfect, stays, *_ = capsys.readouterr().out.splitlines()
  assert heading.strip() == 'folder, 2 of 2 sequences, protocol pysot'
  assert perfect.split() == ['perfect', '0.9524', *['1.0000'] * 5]
  assert stays.startswith('stays')


@pytest.mark.parametrize(
  'name', ['\u732b', 'caf\udce9'], ids=['a letter of no font', 'no UTF-8']
)
def test_a_tracker_may_have_any_name(folder, name):
  (folder / 'stays').rename(folder / name)
  assert run(folder, trackers=['perfect', name]) == 0
  assert set(content(folder)['trackers']) == {'perfect', name}
  table = (folder / 'out' / 'table.csv').read_bytes()
  assert f'\n{name},'.encode('utf-8', 'surrogateescape') in table


def test_only_curves_tables_and_scores_are_written(folder):
  run(folder)
  names = ('success', 'precision', 'normalized_precision')
  files = {path.name for path in (folder / 'out').iterdir()}
  curves = {f'{name}.{kind}' for name in names for kind in ('png', 'csv')}
  assert files == {'scores.json', *curves, *TABLES}
  assert imread(folder / 'out' / 'success.png').std() > 0.01
  table = (folder / 'out' / 'success.csv').read_text().splitlines()
  assert table[:2] == ['threshold,perfect,stays', '0,1,0.625']
  assert len(table) == 22
  head, *rows = (folder / 'out' / 'sequences.csv').read_text().splitlines()
  assert head.startswith('sequence,tracker,success')
  assert [row.split(',')[:2] for row in rows] == [
    ['a', 'perfect'],
    ['b', 'perfect'],
    ['a', 'stays'],
    ['b', 'stays'],
  ]


def test_success_is_reported_by_attribute(folder):
  truth = json.loads((folder / 'truth.json').read_text())
  truth['a']['attr'], truth['b']['attr'] = ['Blur'], ['Blur', 'Scale']
  (folder / 'truth.json').write_text(json.dumps(truth))
  assert run(folder) == 0
  found = content(folder)
  assert found['attributes']['Scale'] == {
    'sequences': 1,
    'success_auc': {
      name: tracker['sequences']['b']['success_auc']
      for name, tracker in found['trackers'].items()
    },
  }
  assert found['attributes']['Blur']['sequences'] == 2
  head, *rows = (folder / 'out' / 'attributes.csv').read_text().splitlines()
  assert head == 'attribute,perfect,stays'
  assert [row.split(',')[0] for row in rows] == ['Blur', 'Scale']
  assert imread(folder / 'out' / 'attributes.png').std() > 0.01


def test_several_runs_of_a_sequence_are_averaged(folder):
  np.savetxt(folder / 'perfect' / 'a_001.txt', TRUE, delimiter=',')
  np.savetxt(folder / 'perfect' / 'a_002.txt', TRUE + 500, delimiter=',')
  (folder / 'perfect' / 'a.txt').unlink()
  assert run(folder, ['perfect']) == 0
  figures = content(folder)['trackers']['perfect']['sequences']
  assert figures['a']['precision_20'] == 0.5
  assert figures['b']['precision_20'] == 1.0


def test_trackers_are_compared_on_the_sequences_that_all_have(folder, capsys):
  (folder / 'stays' / 'b.txt').unlink()
  assert run(folder) == 0
  found = content(folder)
  assert found['partial'] is True
  assert found['coverage'] == '1 of 2 sequences'
  assert found['missing'] == ['b']
  assert set(found['trackers']['perfect']['sequences']) == {'a'}
  assert 'not scored: b' in capsys.readouterr().out


def test_a_report_lists_missing_results_and_numbers_of_runs(folder, capsys):
  np.savetxt(folder / 'stays' / 'a_002.txt', TRUE, delimiter=',')
  (folder / 'perfect' / 'b.txt').unlink()
  assert run(folder) == 0
  found = content(folder)
  assert found['lacking'] == {'perfect': ['b']}
  assert found['runs'] == {'stays': {'a': 2}}
  printed = capsys.readouterr().out
  assert 'perfect: no result for b' in printed
  assert 'stays: averaged over several runs: a (2 runs)' in printed


def test_first_boxes_are_not_enough_to_score_a_hidden_test_set(folder, capsys):
  name = 'GOT-10k_Test_000001'
  rows = [[10, 10, 5, 5], *[[np.nan] * 4] * 3]
  (folder / 'truth.json').write_text(json.dumps({name: {'gt_rect': rows}}))
  (folder / 'perfect' / 'a.txt').rename(folder / 'perfect' / f'{name}.txt')
  assert run(folder, ['perfect'], {'benchmark': 'got10k_test'}) == 2
  error = capsys.readouterr().err
  assert 'got10k_test: only its server has the annotations' in error
  assert '--check' in error
  assert not (folder / 'out').exists()


def test_the_interval_of_got10k_is_over_pooled_frames(folder):
  first, second = 'GOT-10k_Val_000001', 'GOT-10k_Val_000002'
  long, short = np.tile(TRUE, (10, 1)), TRUE
  truth = {
    name: {'gt_rect': rows.tolist(), 'absent': [1] * len(rows)}
    for name, rows in ((first, long), (second, short))
  }
  (folder / 'truth.json').write_text(json.dumps(truth))
  (folder / 'ours').mkdir()
  np.savetxt(folder / 'ours' / f'{first}.txt', long, delimiter=',')
  away = short + np.array([500, 0, 0, 0])
  np.savetxt(folder / 'ours' / f'{second}.txt', away, delimiter=',')
  assert run(folder, ['ours'], {'benchmark': 'got10k_val'}) == 0
  ours = content(folder)['trackers']['ours']
  # The first frames do not count, which leaves 39 and 3 frames.
  assert ours['success_auc'] == pytest.approx(20 / 21 * 39 / 42, abs=1e-6)
  assert ours['success_auc_95'] == [0.0, pytest.approx(20 / 21, abs=1e-6)]


def test_an_area_under_a_curve_has_its_own_heading(folder, capsys):
  assert run(folder, flags={'protocol': 'trackingnet'}) == 0
  _, head, *_ = capsys.readouterr().out.splitlines()
  assert 'P (area)' in head
  assert 'P@20' not in head


@pytest.mark.parametrize('name', ['scores.json', 'table.md', 'sequences.csv'])
def test_an_earlier_report_is_only_replaced_on_request(folder, capsys, name):
  (folder / 'out').mkdir()
  (folder / 'out' / name).write_text('mine')
  assert run(folder) == 2
  assert f'{name}: already exists; choose another --out' in (
    capsys.readouterr().err
  )
  assert (folder / 'out' / name).read_text() == 'mine'
  assert run(folder, flags={'overwrite': 'true'}) == 0
  assert (folder / 'out' / name).read_text() != 'mine'


def test_plots_of_an_earlier_report_are_removed(folder):
  (folder / 'out').mkdir()
  for name in ('attributes.png', 'accuracy_robustness.csv', 'notes.txt'):
    (folder / 'out' / name).write_text('old')
  assert run(folder) == 0
  files = {path.name for path in (folder / 'out').iterdir()}
  assert 'notes.txt' in files
  assert not {'attributes.png', 'accuracy_robustness.csv'} & files


def test_an_annotation_shorter_than_the_official_one_is_reported(
  folder, capsys
):
  entry = {'Couple': {'gt_rect': TRUE.tolist()}}
  (folder / 'truth.json').write_text(json.dumps(entry))
  (folder / 'stays' / 'a.txt').rename(folder / 'stays' / 'Couple.txt')
  assert run(folder, ['stays'], {'benchmark': 'otb100'}) == 0
  assert content(folder)['cropped'] == {'Couple': [4, 140]}
  assert 'official one: Couple (4 instead of 140)' in capsys.readouterr().out


def test_scores_of_a_part_of_the_official_list_are_partial(folder):
  entry = {'Couple': {'gt_rect': TRUE.tolist()}}
  (folder / 'truth.json').write_text(json.dumps(entry))
  (folder / 'perfect' / 'a.txt').rename(folder / 'perfect' / 'couple.txt')
  assert run(folder, ['perfect'], {'benchmark': 'otb100'}) == 0
  found = content(folder)
  assert found['coverage'] == '1 of 100 sequences'
  assert found['partial'] is True
  assert len(found['missing']) == 99
  assert found['ignored'] == {'perfect': ['b.txt']}


def test_a_result_that_ends_early_is_scored_and_reported(folder, capsys):
  np.savetxt(folder / 'perfect' / 'a.txt', TRUE[:3], delimiter=',')
  assert run(folder) == 0
  assert content(folder)['short'] == {'perfect': {'a': 3}}
  figures = content(folder)['trackers']['perfect']['sequences']['a']
  assert figures['precision_20'] == 0.75
  assert 'perfect: results end early' in capsys.readouterr().out


def test_a_figure_without_frames_is_null(folder):
  truth = {'a': {'gt_rect': TRUE[:1].tolist()}}
  (folder / 'truth.json').write_text(json.dumps(truth))
  np.savetxt(folder / 'perfect' / 'a.txt', TRUE[:1], delimiter=',')
  assert run(folder, ['perfect']) == 0
  assert content(folder)['trackers']['perfect']['average_overlap'] is None


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ({'benchmark': 'otb'}, "unknown benchmark 'otb': choose one of otb100"),
    (
      {'protocol': 'ours'},
      "--protocol: 'ours' does not score the one-pass experiment; choose from "
      'pysot, otb, pytracking, got10k, lasot_official, trackingnet, presence',
    ),
    ({'annotations': 'none.json'}, 'none.json: no such file'),
    ({'protocoll': 'pysot'}, 'protocoll'),
  ],
  ids=['benchmark', 'protocol', 'annotations', 'unknown'],
)
def test_a_wrong_flag_is_refused_in_one_line(folder, capsys, flags, message):
  assert run(folder, flags=flags) == 2
  (error,) = capsys.readouterr().err.splitlines()
  assert message in error
  assert not (folder / 'out').exists()


@pytest.mark.parametrize(
  ('trackers', 'message'),
  [
    (['nobody'], 'nobody: no such folder; give'),
    ([], '--results: missing; scoring needs --annotations, --results and'),
    (['stays', 'stays'], "--results: two trackers are called 'stays'"),
    (['empty'], 'empty: no <sequence>.txt'),
    (['long'], '5 rows for 4 annotated frames'),
    (['torn'], 'a.txt row 2: 3 values, not 4'),
    (['one_a', 'one_b'], 'has results of all trackers'),
  ],
  ids=[
    'missing_folder',
    'no_folder',
    'same_name',
    'empty_folder',
    'long',
    'torn',
    'nothing_in_common',
  ],
)
def test_wrong_results_are_refused_in_one_line(
  folder, capsys, trackers, message
):
  for name in ('empty', 'long', 'torn', 'one_a', 'one_b'):
    (folder / name).mkdir()
  (folder / 'long' / 'a.txt').write_text('1,2,3,4\n' * 5)
  (folder / 'torn' / 'a.txt').write_text('1,2,3,4\n1,2,3\n')
  (folder / 'one_a' / 'a.txt').write_text('1,2,3,4\n')
  (folder / 'one_b' / 'b.txt').write_text('1,2,3,4\n')
  assert run(folder, trackers) == 2
  (error,) = capsys.readouterr().err.splitlines()
  assert message in error
  assert not (folder / 'out').exists()


def test_help_shows_an_example(capsys):
  argv = ['score', '--help']
  assert command.run(score.define, score.main, score.__doc__, argv) == 0
  assert 'acm-jax score --benchmark' in capsys.readouterr().out


@pytest.mark.parametrize('flag', ['results', 'out', 'protocol'])
def test_a_check_refuses_flags_of_scoring(refuse, flag):
  argv = '--benchmark=got10k_test', '--check=a.zip', f'--{flag}=x'
  refuse(score, *argv, message=f'--{flag}: not used by --check')
