"""Folders in pieces, and packs for a bare machine."""

import os
import sys

import jax
import numpy as np
import pytest

from acm_jax.training import trained
from benchmarks import accelerator
from benchmarks.accelerator_stages import packing, pieces
from tests.benchmarks.folders import contents


def test_joined_pieces_are_the_same_files(run_folder, tmp_path, run_command):
  written = pieces.split(
    run_folder, tmp_path, without=('data',), piece_bytes=20_000
  )
  assert len(written.pieces) > 2
  assert all(path.stat().st_size <= 20_000 for path in written.pieces)
  argv = '--list', written.listing, '--out', tmp_path / 'joined'
  assert run_command(pieces, *argv)[0] == 0
  expected = contents(run_folder)
  del expected['data/large']
  assert contents(tmp_path / 'joined') == expected


def test_pieces_of_a_later_state_replace_the_earlier_ones(
  run_folder, tmp_path, monkeypatch
):
  before = contents(run_folder)
  listing, _ = pieces.split(run_folder, tmp_path, piece_bytes=20_000)
  (run_folder / 'config.json').write_text('{"other": 1}')
  with monkeypatch.context() as patch:
    patch.setattr(pieces.json, 'dumps', None)
    # The call writes the pieces and fails before it writes their list.
    with pytest.raises(TypeError):
      pieces.split(run_folder, tmp_path, piece_bytes=20_000)
  pieces.join(listing, tmp_path / 'before')
  assert contents(tmp_path / 'before') == before
  written = pieces.split(run_folder, tmp_path, piece_bytes=20_000)
  pieces.join(listing, tmp_path / 'after')
  assert contents(tmp_path / 'after') == contents(run_folder)
  assert set(tmp_path.glob('run.tar.*')) == set(written.pieces)


@pytest.mark.parametrize('fault', ['damaged', 'missing', 'no list'])
def test_faulty_pieces_are_refused(run_folder, tmp_path, fault, refuse):
  written = pieces.split(run_folder, tmp_path, piece_bytes=20_000)
  culprit = written.pieces[1]
  if fault == 'damaged':
    data = bytearray(culprit.read_bytes())
    data[100] ^= 1
    culprit.write_bytes(data)
  elif fault == 'missing':
    culprit.unlink()
  else:
    culprit = written.listing
    culprit.write_text('{')
  out = tmp_path / 'joined'
  argv = '--list', written.listing, '--out', out
  refuse(pieces, *argv, message=str(culprit))
  assert not out.exists()


def test_a_pack_has_the_data_and_only_the_weights_of_a_run(
  run_command, run_folder, tiny_run, tmp_path
):
  out = tmp_path / 'pack'
  argv = f'--pack={out}', f'--data={run_folder}', f'--checkpoint={tiny_run}'
  code, printed, errors = run_command(accelerator, *argv)
  assert code == 0, errors
  assert any(line.endswith('checkpoints/tiny') for line in printed)
  assert contents(out / 'data') == contents(run_folder)
  config, variables = trained.read(out / 'checkpoints' / 'tiny')
  expected_config, expected = trained.read(tiny_run)
  assert config == {name: expected_config[name] for name in config}
  jax.tree.map(np.testing.assert_array_equal, variables, expected)
  # State that only a resumed run needs, such as the momentum, is left out.
  assert len(list((out / 'checkpoints' / 'tiny').iterdir())) == 2


def test_a_pack_beyond_the_size_limit_is_refused(
  refuse, run_folder, tmp_path, monkeypatch
):
  monkeypatch.setattr(packing, 'LIMIT_BYTES', 40_000)
  out = tmp_path / 'pack'
  argv = f'--pack={out}', f'--data={run_folder}'
  refuse(accelerator, *argv, message='data/checkpoints 0.0')
  assert not out.exists()


def test_a_pack_of_a_missing_folder_is_refused(refuse, tmp_path):
  wheels = tmp_path / 'wheels'
  argv = f'--pack={tmp_path / "pack"}', f'--wheels={wheels}'
  refuse(accelerator, *argv, message=f'--wheels={wheels}: no such folder')


def test_wheels_of_a_pack_can_be_imported(tmp_path, monkeypatch):
  monkeypatch.setattr('sys.path', ['before'])
  monkeypatch.setenv('PYTHONPATH', 'elsewhere')
  (tmp_path / 'wheels').mkdir()
  wheel = tmp_path / 'wheels' / 'package-1.0-py3-none-any.whl'
  wheel.touch()
  packing.use_wheels(tmp_path)
  assert sys.path == ['before', str(wheel)]
  assert os.environ['PYTHONPATH'] == f'elsewhere{os.pathsep}{wheel}'
