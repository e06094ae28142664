"""Tests of the command analyze, from checkpoints to tables and pictures."""

import hashlib
import json

import cv2
import jax
import numpy as np
import pytest

from acm_jax import analyze, trackers
from acm_jax.analysis import run
from acm_jax.analysis.run import Request
from acm_jax.tracking.programs import Programs
from acm_jax.training import trained
from data_pipelines import prepare
from data_pipelines.mixture import DataSet
from tests import variables


@pytest.fixture(scope='module')
def data_dir(clips_with_classes):
  return clips_with_classes.parent


@pytest.fixture(scope='module')
def save(tmp_path_factory):
  """Returns a function that saves a small tracker with random weights.

  The argument `weights` is a factor on all weights.
  """
  root = tmp_path_factory.mktemp('models')

  def save(name, config, seed=0, weights=1.0, **changes):
    config = dict(config, tracker=dict(config['tracker'], **changes))
    tracker = trackers.make(**config['tracker'])
    (root / name).mkdir()
    filled = variables.fill(tracker.init_variables, seed=seed)
    filled['params'] = jax.tree.map(
      lambda x: x * np.float32(weights), filled['params']
    )
    trained.save(root / name, config, filled)
    return root / name

  return save


@pytest.fixture(scope='module')
def two(save, tiny_tracker):
  """Saves two trackers that differ in their weights."""
  config = tiny_tracker[2]
  return save('first', config), save('second', config, seed=1)


def flags(checkpoints, data_dir, out, *more):
  checkpoints = [f'--checkpoint={path}' for path in checkpoints]
  common = f'--data_dir={data_dir}', '--sets=synthetic', f'--out={out}'
  return [*checkpoints, *common, '--pairs=5', '--batch_size=2', *more]


def test_two_trackers_are_compared_in_json_tables_and_pictures(
  run_command, two, data_dir, tmp_path
):
  out = tmp_path / 'analysis'
  argv = flags(two, data_dir, out, '--show=2', '--seed=3')
  code, printed, errors = run_command(analyze, *argv)
  assert code == 0, errors
  assert printed[-1] == f'5 pairs analysed in {out}'
  found = json.loads((out / 'analysis.json').read_text())
  assert found['pairs'] == 5
  assert found['seed'] == 3
  assert found['batch_size'] == 2
  manifest = (data_dir / 'synthetic' / 'manifest.json').read_bytes()
  (used,) = found['sets']
  assert used['manifest'] == hashlib.sha256(manifest).hexdigest()
  weights = [each['weights'] for each in found['checkpoints'].values()]
  assert len(set(weights)) == 2
  measures = {}
  for name in ('first', 'second'):
    each = found['trackers'][name]
    assert len(each['responses']) == 2
    for means in each['responses'].values():
      assert means['energy_inside']['pairs'] == 5
      assert means['energy_inside']['low'] <= means['energy_inside']['mean']
      # A pair without a distractor has no cosine.
      distractors = round(5 * means['distractor']['mean'])
      assert means['centered_cosine']['pairs'] == distractors
      assert means['size_change']['mean'] > 0
    for ranks in each['peaks'].values():
      assert [peak['pairs'] for peak in ranks] == [5] * 21
      assert all(peak['low'] <= peak['mean'] <= peak['high'] for peak in ranks)
    assert 0 < each['templates']['centered']['iou']['mean'] < 1
    assert each['templates']['same_class']['iou']['pairs'] < 5
    measures[name] = each['gaps']['other']['score']['mean']
  gap = found['differences']['gaps']['other']['score']
  assert gap['mean'] == pytest.approx(measures['second'] - measures['first'])
  assert gap['low'] <= gap['mean'] <= gap['high']
  table = (out / 'analysis.md').read_text()
  assert f'| {gap["mean"]:.3f} ({gap["low"]:.3f} to' in table
  assert table.strip() in '\n'.join(printed)
  pictures = sorted(path.name for path in (out / 'heat').iterdir())
  assert pictures == ['000000.png', '000001.png']
  for name in ('channels.png', 'distributions.png', 'heat/000001.png'):
    assert cv2.imread(str(out / name)).std() > 10


def test_the_program_is_compiled_once_for_all_batches_and_weights(
  two, data_dir, tmp_path
):
  models = {path.name: trained.load(str(path)) for path in two}
  sets = [DataSet(data_dir / 'synthetic', gap=2)]
  programs, texts = Programs(), []
  # The last batch is not full.
  for i in range(2):
    request = Request(sets, pairs=5, batch_size=2, seed=0)
    texts.append(run.analyze(models, request, tmp_path / str(i), programs))
  assert len(programs) == 1
  assert texts[0] == texts[1]


def test_the_findings_do_not_depend_on_the_batch_size(two, data_dir, tmp_path):
  models = {'first': trained.load(str(two[0]))}
  sets = [DataSet(data_dir / 'synthetic', gap=2)]
  found = []
  for batch_size in (2, 3):
    out = tmp_path / str(batch_size)
    run.analyze(models, Request(sets, 5, batch_size, seed=0), out)
    each = json.loads((out / 'analysis.json').read_text())
    found.append(each['trackers']['first']['templates'])
  for kind, measures in found[0].items():
    for name, estimate in measures.items():
      # Programs of other shapes add in another order.
      assert estimate == pytest.approx(found[1][kind][name], abs=1e-4)


def test_a_single_channel_is_not_defined_in_the_table(
  run_command, save, tiny_tracker, data_dir, tmp_path
):
  config = tiny_tracker[2] | {'tracker': {'name': 'siamfc', 'width': 1 / 16}}
  checkpoint = save('siamfc', config)
  out = tmp_path / 'analysis'
  code, printed, errors = run_command(
    analyze, *flags([checkpoint], data_dir, out)
  )
  assert code == 0, errors
  (row,) = [line for line in printed if line.startswith('| siamfc | fusing')]
  cells = [cell.strip() for cell in row.split('|')[3:-1]]
  cosine, centered, peak = cells[2:5]
  assert cosine == centered == peak == '-'
  assert not {*cells[:2], *cells[5:]} & {'-'}
  assert [line for line in printed if line.startswith('`-`')] == [
    '`-`: a centred box has no score.',
    '`-`: a single channel has no direction, and no other to compare with.',
  ]
  found = json.loads((out / 'analysis.json').read_text())
  responses = found['trackers']['siamfc']['responses']['fusing']
  assert responses['cosine']['mean'] is None
  assert found['trackers']['siamfc']['peaks'] == {}
  assert not (out / 'channels.png').exists()


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'search_size': 191}, 'first has search_size=207, response_size='),
    ({'context_amount': 0.25}, 'first has context_amount=0.5, but other0.25'),
  ],
)
def test_trackers_of_different_geometry_are_refused(
  refuse, save, two, tiny_tracker, data_dir, tmp_path, changes, message
):
  (value,) = changes.values()
  other = save(f'other{value}', tiny_tracker[2], **changes)
  out = tmp_path / 'analysis'
  argv = flags([two[0], other], data_dir, out)
  refuse(analyze, *argv, message=message)
  refuse(analyze, *argv, message='so analyse each alone')
  assert not out.exists()


@pytest.mark.parametrize(
  ('more', 'message'),
  [
    (['--checkpoint=small'], '--checkpoint: give one or two'),
    (['--show= '], 'flag --show= '),
    (['--show=1,2'], 'flag --show=1,2'),
    (['--show=-1'], 'flag --show=-1'),
    (['--sets=synthetic,synthetic'], '--sets: '),
    (['--sets=got10k'], 'got10k: not a clip set or composed set'),
  ],
)
def test_a_bad_request_is_refused(
  refuse, two, data_dir, tmp_path, more, message
):
  out = tmp_path / 'analysis'
  refuse(analyze, *flags(two, data_dir, out, *more), message=message)
  assert not out.exists()


def test_no_more_pairs_are_drawn_than_there_are(
  run_command, two, data_dir, tmp_path
):
  out = tmp_path / 'analysis'
  argv = flags(two[:1], data_dir, out, '--pairs=1')
  code, _, errors = run_command(analyze, *argv)
  assert code == 0, errors
  assert [path.name for path in (out / 'heat').iterdir()] == ['000000.png']


def test_a_network_that_overflows_is_refused(
  refuse, two, save, tiny_tracker, data_dir, tmp_path
):
  broken = save('broken', tiny_tracker[2], weights=1e12)
  out = tmp_path / 'analysis'
  message = (
    '--checkpoint: the responses or outputs of broken are not finite numbers '
    'for 2 of the first 2 pairs'
  )
  refuse(analyze, *flags([two[0], broken], data_dir, out), message=message)
  assert not out.exists()


def test_a_dead_response_is_explained_in_the_table(
  run_command, save, tiny_tracker, data_dir, tmp_path
):
  dead = save('dead', tiny_tracker[2], weights=0.0)
  argv = flags([dead], data_dir, tmp_path / 'analysis', '--show=0')
  code, printed, errors = run_command(analyze, *argv)
  assert code == 0, errors
  assert '`-`: the response is zero for all pairs.' in printed
  assert not any('a single channel' in line for line in printed)


def test_the_same_checkpoint_twice_is_refused(refuse, two, data_dir, tmp_path):
  argv = flags([two[0], two[0]], data_dir, tmp_path / 'analysis')
  refuse(analyze, *argv, message='--checkpoint: both are the same')


def test_an_existing_folder_is_left_alone(refuse, two, data_dir, tmp_path):
  (tmp_path / 'note.txt').write_text('mine')
  argv = flags(two, data_dir, tmp_path)
  refuse(analyze, *argv, message=f'{tmp_path}: already exists')
  assert (tmp_path / 'note.txt').read_text() == 'mine'


def test_a_folder_of_data_sets_is_needed(refuse, two, tmp_path, monkeypatch):
  monkeypatch.delenv('ACM_DATA', raising=False)
  argv = [f'--checkpoint={two[0]}', '--sets=a', f'--out={tmp_path / "new"}']
  refuse(analyze, *argv, message='neither --data_dir nor $ACM_DATA is given')


def test_small_finds_real_targets_only_with_the_right_template(
  run_command, real_data, tmp_path
):
  source = real_data / 'sequences' / 'DAVIS'
  kept = {'camel', 'parkour', 'dance-twirl'}
  names = {path.name for path in (source / 'JPEGImages' / '480p').iterdir()}
  (tmp_path / 'excluded.txt').write_text('\n'.join(names - kept))
  code, _, errors = run_command(
    prepare,
    *('--dataset=davis', f'--source={source}', '--stride=5'),
    f'--exclude={tmp_path / "excluded.txt"}',
    f'--out={tmp_path / "data" / "synthetic"}',
  )
  assert code == 0, errors
  out = tmp_path / 'analysis'
  argv = flags(['small'], tmp_path / 'data', out, '--pairs=16', '--show=1')
  code, _, errors = run_command(analyze, *argv)
  assert code == 0, errors
  found = json.loads((out / 'analysis.json').read_text())['trackers']['small']
  assert found['templates']['right']['iou']['mean'] > 0.7
  assert found['gaps']['other']['iou']['mean'] > 0.3
  responses = found['responses']
  assert sorted(responses) == ['cls/acm', 'cls/xcorr', 'loc/acm', 'loc/xcorr']
  flat = responses['cls/xcorr']['area']['mean']
  assert responses['cls/xcorr']['energy_inside']['mean'] > 2 * flat
