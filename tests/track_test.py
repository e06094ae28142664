"""The commands track and evaluate, from the command line to their files."""

import csv
import json

import cv2
import jax
import numpy as np
import pytest

from acm_jax import command, evaluate, track, trackers
from acm_jax.training import state, workdir
from acm_jax.training.checkpoints import Checkpoints
from acm_jax.training.optimizer import make as make_optimizer
from configs import siamban_acm
from data_pipelines import synthetic


@pytest.fixture(scope='session')
def checkpoint(tmp_path_factory):
  """A run of random weights, as training would have left it."""
  folder = tmp_path_factory.mktemp('runs') / 'tiny'
  config = siamban_acm.get_config('quickstart,tiny').to_dict()
  workdir.claim(folder, config)
  variables = trackers.make(**config['tracker']).init(jax.random.key(0))
  optimizer = make_optimizer(
    variables['params'], (('', 1.0),), **config['optimizer']
  )
  with Checkpoints(folder) as checkpoints:
    checkpoints.save(state.create(variables, optimizer))
  return folder


@pytest.fixture(scope='session')
def benchmark(tmp_path_factory):
  folder = tmp_path_factory.mktemp('benchmark') / 'held_out'
  synthetic.write_folder(folder, sequences=2, frames=6, seed=5)
  return folder


def run(module, *argv):
  argv = ['program', *map(str, argv)]
  return command.run(module.define, module.main, module.__doc__, argv)


def run_track(checkpoint, video, out, *boxes):
  flags = [f'--box={box}' for box in boxes]
  places = (f'--checkpoint={checkpoint}', f'--video={video}', f'--out={out}')
  return run(track, *places, *flags)


def test_track_writes_boxes_and_an_annotated_video(
  checkpoint, benchmark, tmp_path
):
  video = benchmark / 'synthetic-0000' / 'img'
  boxes = '30,40,50,60', '100.5,80,40,30'
  assert run_track(checkpoint, video, tmp_path, *boxes) == 0
  assert {path.name for path in tmp_path.iterdir()} == {
    'boxes.csv',
    'tracked.mp4',
    'tracked.png',
  }
  with (tmp_path / 'boxes.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert list(rows[0]) == [
    'frame',
    'target',
    'x',
    'y',
    'w',
    'h',
    'score',
    'lost',
  ]
  order = [(int(row['frame']), int(row['target'])) for row in rows]
  assert order == [(f, t) for f in range(6) for t in range(2)]
  assert [float(rows[1][k]) for k in 'xywh'] == [100.5, 80, 40, 30]
  assert all(row['lost'] in '01' for row in rows)
  capture = cv2.VideoCapture(str(tmp_path / 'tracked.mp4'))
  assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 6
  # Tracking the annotated video works as well: a file instead of a folder.
  again = tmp_path / 'again'
  assert run_track(checkpoint, tmp_path / 'tracked.mp4', again, boxes[0]) == 0
  assert len((again / 'boxes.csv').read_text().splitlines()) == 7


def run_evaluate(checkpoint, benchmark, out, *flags):
  places = (
    f'--checkpoint={checkpoint}',
    f'--data_dir={benchmark}',
    f'--out={out}',
  )
  return run(evaluate, '--benchmark=folder', *places, *flags)


def test_evaluate_writes_results_scores_and_a_picture(
  checkpoint, benchmark, tmp_path
):
  flags = '--baseline=first_box', '--hparams=penalty_k=0.3,size_lr=0.2'
  assert run_evaluate(checkpoint, benchmark, tmp_path, *flags) == 0
  scores = json.loads((tmp_path / 'folder' / 'scores.json').read_text())
  assert set(scores['trackers']) == {'tiny', 'first_box'}
  assert (tmp_path / 'folder' / 'tracked.png').is_file()
  for tracker in scores['trackers']:
    boxes = np.loadtxt(
      tmp_path / 'folder' / tracker / 'synthetic-0001.txt', delimiter=','
    )
    assert boxes.shape == (6, 4)


def test_evaluate_of_one_sequence_is_scored_alone(
  checkpoint, benchmark, tmp_path
):
  flag = '--sequences=synthetic-0001'
  assert run_evaluate(checkpoint, benchmark, tmp_path, flag) == 0
  scores = json.loads((tmp_path / 'folder' / 'scores.json').read_text())
  assert scores['partial'] is True
  assert list(scores['trackers']['tiny']['sequences']) == ['synthetic-0001']


def refused(capsys, code, message):
  errors = [
    line
    for line in capsys.readouterr().err.splitlines()
    if line.startswith('error: ')
  ]
  assert code == 2
  assert len(errors) == 1
  assert message in errors[0]


@pytest.mark.parametrize(
  ('box', 'message'),
  [
    ('1,2,3', "--box '1,2,3': give four numbers"),
    ('a,2,3,4', 'give four numbers'),
    ('900,2,3,4', 'lies outside the frame of 320 x 240'),
    ('9,9,0,4', 'has no area'),
  ],
)
def test_track_refuses_a_bad_box(
  checkpoint, benchmark, tmp_path, capsys, box, message
):
  video = benchmark / 'synthetic-0000' / 'img'
  code = run_track(checkpoint, video, tmp_path, box)
  refused(capsys, code, message)
  assert not list(tmp_path.iterdir())


def test_track_refuses_what_is_no_video(checkpoint, tmp_path, capsys):
  (tmp_path / 'a.mp4').write_text('no video')
  for video, message in {
    'missing.mp4': 'no such video',
    'a.mp4': 'cannot be decoded',
    '.': 'no images',
  }.items():
    code = run_track(checkpoint, tmp_path / video, tmp_path / 'o', '1,2,3,4')
    refused(capsys, code, message)


def test_a_checkpoint_that_is_not_whole_is_refused(
  checkpoint, benchmark, tmp_path, capsys
):
  empty, begun = tmp_path / 'empty', tmp_path / 'begun'
  empty.mkdir()
  begun.mkdir()
  (begun / 'config.json').write_text((checkpoint / 'config.json').read_text())
  (begun / 'checkpoints').mkdir()
  for place, message in {
    tmp_path / 'missing': 'no such folder',
    empty: 'no config.json in it',
    begun: 'no finished checkpoint',
    f'{checkpoint}@7': 'no step 7, but 0',
  }.items():
    refused(capsys, run_evaluate(place, benchmark, tmp_path / 'o'), message)


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--sequences=nobody', 'nobody not found'),
    ('--hparams=penalty=1', "no 'penalty'; there are lost_score, penalty_k"),
    ('--hparams=penalty_k=high', "'penalty_k=high' is not"),
    ('--baseline=median', "no 'median'; there are first_box, mil"),
    ('--lane=3', 'lane'),
  ],
)
def test_evaluate_refuses_a_bad_flag(
  checkpoint, benchmark, tmp_path, capsys, flag, message
):
  code = run_evaluate(checkpoint, benchmark, tmp_path / 'out', flag)
  refused(capsys, code, message)
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('module', [track, evaluate])
def test_a_flag_that_is_missing_is_named(module, capsys):
  refused(capsys, run(module), '--checkpoint')


@pytest.mark.parametrize('module', [track, evaluate])
def test_help_shows_an_example(module, capsys):
  assert run(module, '--help') == 0
  assert f'python -m {module.__name__}' in capsys.readouterr().out
