"""Fine-tuning: the config takes tracker and sequences from the command line."""

import json
import sys

import pytest

from acm_jax import convert, train
from acm_jax.training import trained
from acm_jax.training.checkpoints import CRITERION
from data_pipelines import clip_set, synthetic, training_set

# Two epochs of one step, each of which is validated.
SHORT = (
  '--config=finetune',
  *('--config.train.epochs=2', '--config.train.pairs_per_epoch=8'),
  *('--config.train.batch_size=8', '--config.checkpoints.every=1'),
)


@pytest.fixture(scope='module')
def own(tmp_path_factory):
  """Writes three synthetic sequences in the layout `folder`."""
  folder = tmp_path_factory.mktemp('own') / 'sequences'
  synthetic.write_folder(folder, sequences=3, frames=4, seed=7)
  return folder


@pytest.fixture
def run_train(run_command, monkeypatch):
  """Returns `run_command` for the command `train`."""

  def run(*argv):
    # The flags of values in a config are read from there.
    monkeypatch.setattr(sys, 'argv', ['train', *argv])
    return run_command(train, *argv)

  return run


def test_a_trained_tracker_is_trained_further_and_validated_on_the_rest(
  run_train, tiny_run, own, tmp_path
):
  workdir = tmp_path / 'run'
  argv = (*SHORT, f'--init_from={tiny_run}', f'--data_dir={own}')
  argv += (f'--workdir={workdir}',)
  code, printed, errors = run_train(*argv)
  assert code == 0, errors
  assert any('weights taken from' in line for line in printed)
  # Architecture and hyper-parameters are those of the checkpoint.
  before, _ = trained.read_tracker(tiny_run)
  after, _ = trained.read_tracker(f'{workdir}@best')
  assert after == before
  config = json.loads((workdir / 'config.json').read_text())
  held_out = config['validation']['sequences']
  used = training_set.read_names(workdir / 'data' / 'own')
  assert len(held_out) == 1
  assert {*held_out, *used} == {path.name for path in own.iterdir()}
  assert not {*held_out} & {*used}
  rows = (workdir / 'metrics.jsonl').read_text().splitlines()
  validated = [row['step'] for row in map(json.loads, rows) if CRITERION in row]
  assert validated == [0, 1, 2]
  code, printed, errors = run_train(*argv)
  assert code == 0, errors
  assert 'resuming at step 2 of 2' in '\n'.join(printed)


@pytest.mark.slow
def test_a_target_with_one_box_is_not_validated_but_trains_as_a_still_image(
  run_train, tiny_run, tmp_path
):
  own, workdir = tmp_path / 'own', tmp_path / 'run'
  synthetic.write_folder(own, sequences=6, frames=4, seed=7)
  for n, path in enumerate(sorted(own.iterdir())):
    if n % 2:
      with (path / 'groundtruth.txt').open() as file:
        first = file.readline()
      (path / 'groundtruth.txt').write_text(first)
      (path / 'absent.txt').write_text('0\n')
    path.rename(own / f'clip{n // 2}.{n % 2:03d}')
  code, printed, errors = run_train(
    *(*SHORT, f'--init_from={tiny_run}', f'--data_dir={own}'),
    f'--workdir={workdir}',
  )
  assert code == 0, errors
  config = json.loads((workdir / 'config.json').read_text())
  (held_out,) = config['validation']['sequences']
  video, _, number = held_out.partition('.')
  assert number == '000'
  assert f'{video}.001 is held out, but not tracked' in '\n'.join(printed)
  clips = clip_set.ClipSet(workdir / 'data' / 'own')
  assert dict(zip(clips.track_name, clips.track_count, strict=True)) == {
    path.name: 1 if path.name.endswith('1') else 4
    for path in own.iterdir()
    if not path.name.startswith(video)
  }


@pytest.mark.parametrize(
  ('given', 'message'),
  [
    (
      ['--data_dir={own}'],
      'the config has no section tracker; give --init_from, the model or the',
    ),
    (
      ['--init_from={tiny}'],
      'config.own: no sequences are named; give --data_dir, a folder with',
    ),
    (
      ['--init_from={tiny}', '--data_dir={own}/nothing'],
      '{own}/nothing: no such folder or archive',
    ),
    (
      ['--init_from={tiny}', '--data_dir={own}', '--validation_dir={own}'],
      '--validation_dir: the config holds out sequences of --data_dir; omit',
    ),
    (
      [
        '--init_from={tiny}',
        '--data_dir={own}',
        '--config.own.held_out=1.0',
      ],
      'config.own: held_out=1.0 must be above 0 and below 1',
    ),
    (
      ['--init_from=nowhere', '--data_dir={own}'],
      'nowhere: no such folder; give the folder of a training run or of a mod',
    ),
  ],
)
def test_a_wrong_request_is_refused(
  run_train, tiny_run, own, tmp_path, monkeypatch, given, message
):
  monkeypatch.delenv('ACM_DATA', raising=False)
  workdir = tmp_path / 'run'
  argv = [each.format(own=own, tiny=tiny_run) for each in given]
  code, _, errors = run_train(*SHORT, f'--workdir={workdir}', *argv)
  assert code == 2
  assert errors[-1].startswith(f'error: {message.format(own=own)}')
  assert not workdir.exists()


def test_weights_are_not_converted_for_a_config_without_a_tracker(
  refuse, tmp_path
):
  argv = ('--config=finetune', '--source=nanotrack', '--weights=a.pth')
  message = '--config: has no section tracker; choose the config of the netw'
  refuse(convert, *argv, f'--out={tmp_path / "out"}', message=message)
