"""Tests of the command pairs, which plots the training pairs of a config."""

import cv2
import numpy as np
import pytest

from acm_jax import pairs
from acm_jax.training import own_sequences
from data_pipelines import clip_writer, synthetic, synthetic_set


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('data')
  tracks = synthetic_set.tracks(2, 4, (60, 80), seed=0)
  clip_writer.write(tracks, folder / 'davis')
  return folder


# SiamFC has targets of its own; the other trackers share their kind of targets.
@pytest.mark.parametrize('name', ['siamfc', 'siamban'])
def test_pairs_and_their_label_maps_are_plotted(
  run_command, data_dir, tmp_path, name
):
  out = tmp_path / 'pairs.png'
  code, printed, errors = run_command(
    pairs,
    f'--config=configs/{name}.py:sets=davis',
    *(f'--data_dir={data_dir}', f'--out={out}', '--pairs=4'),
  )
  assert code == 0, errors
  assert printed[-1] == f'4 pairs plotted in {out}'
  # Each row has four images; a pair has a template and two search images.
  assert cv2.imread(str(out)).shape[1] == 4 * 320


def test_synthetic_sequences_are_shown_before_a_run_has_written_them(
  run_command, tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  flags = '--config=siamban_acm:quickstart,tiny', '--out=a.png', '--pairs=4'
  code, _, errors = run_command(pairs, *flags)
  assert code == 0, errors
  # The sequences are not left behind.
  assert [path.name for path in tmp_path.iterdir()] == ['a.png']


def test_pairs_of_fine_tuning_are_those_of_its_run(
  run_command, tiny_run, tmp_path
):
  own, run = tmp_path / 'own', tmp_path / 'run'
  synthetic.write_folder(own, sequences=3, frames=4, seed=7)
  held_out = own_sequences.held_out(own, 0.2)
  own_sequences.ensure(run / 'data' / 'own', own, held_out, stride=1)
  sheets = []
  for name, more in (('a.png', []), ('b.png', [f'--workdir={run}'])):
    code, _, errors = run_command(
      pairs,
      *('--config=finetune', f'--init_from={tiny_run}', f'--data_dir={own}'),
      *(f'--out={tmp_path / name}', '--pairs=8', *more),
    )
    assert code == 0, errors
    sheets.append(cv2.imread(str(tmp_path / name)))
  np.testing.assert_array_equal(*sheets)


@pytest.mark.parametrize(
  ('given', 'message'),
  [
    ([], 'no section tracker; give --init_from, the model or the training run'),
    (['--init_from=small'], 'config.own: no sequences are named; give --data'),
  ],
)
def test_fine_tuning_needs_a_tracker_and_sequences(
  refuse, tmp_path, monkeypatch, given, message
):
  monkeypatch.delenv('ACM_DATA', raising=False)
  out = f'--out={tmp_path / "pairs.png"}'
  refuse(pairs, '--config=finetune', out, *given, message=message)


def test_a_data_set_that_is_not_prepared_is_named(refuse, tmp_path):
  out = tmp_path / 'pairs.png'
  refuse(
    pairs,
    '--config=configs/siamban.py:sets=davis',
    *(f'--data_dir={tmp_path}', f'--out={out}'),
    message='data sets are not prepared: davis',
  )
  assert not out.exists()
