"""Tests of the command pairs, which plots the training pairs of a config."""

import cv2
import pytest

from acm_jax import pairs
from data_pipelines import clip_writer, synthetic_set


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


def test_a_data_set_that_is_not_prepared_is_named(refuse, tmp_path):
  out = tmp_path / 'pairs.png'
  refuse(
    pairs,
    '--config=configs/siamban.py:sets=davis',
    *(f'--data_dir={tmp_path}', f'--out={out}'),
    message='data sets are not prepared: davis',
  )
  assert not out.exists()
