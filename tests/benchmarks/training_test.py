"""The stage `train`: the files that it writes, however training ends."""

import dataclasses
import sys

import pytest

from benchmarks.accelerator_stages import pieces, train
from benchmarks.accelerator_stages.settings import Training
from tests.benchmarks.folders import contents

# Script that runs instead of training. Arguments: folder of the run, exit code.
TRAINING = """
import pathlib, sys
workdir = pathlib.Path(sys.argv[1])
(workdir / 'metrics.jsonl').write_text('{"step": 3}\\n{"step": 6}\\n')
(workdir / 'data').mkdir()
print('error: the last line')
sys.exit(int(sys.argv[2]))
"""
# Script that saves one checkpoint, begins another one and waits for the pieces.
# Arguments: folder of the run, list of the pieces.
CHECKPOINTS = """
import pathlib, sys
workdir, listing = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
for name in ('8', '4'):
  partial = workdir / 'checkpoints' / f'{name}.orbax-checkpoint-tmp'
  partial.mkdir(parents=True)
  (partial / 'weights').touch()
partial.rename(partial.with_name('4'))
while not listing.exists():
  pass
"""


@pytest.fixture
def train_with(settings, monkeypatch):
  """Returns a function that runs the stage with a script and its argument."""

  def run_stage(argument, script=TRAINING):
    def command(settings, workdir):
      return [sys.executable, '-c', script, str(workdir), str(argument)]

    monkeypatch.setattr(train, '_command', command)
    training = Training(config='configs/a_run.py:tiny', minutes=1.0)
    return list(train.rows(dataclasses.replace(settings, training=training)))

  return run_stage


# Exit codes of `acm_jax.train` at its end and after a signal.
@pytest.mark.parametrize('code', [0, 130])
def test_training_leaves_its_last_metrics_and_its_folder(
  train_with, tmp_path, code
):
  (row,) = train_with(code)
  assert row['step'] == 6
  assert row['pieces'] == 1
  pieces.join(tmp_path / 'a_run.pieces.json', tmp_path / 'joined')
  assert list(contents(tmp_path / 'joined')) == ['metrics.jsonl']
  assert (tmp_path / 'metrics.jsonl').read_text().endswith('{"step": 6}\n')


def test_failed_training_reports_its_error_and_leaves_its_folder(
  train_with, tmp_path
):
  with pytest.raises(RuntimeError, match='exit code 2: error: the last line'):
    train_with(2)
  pieces.join(tmp_path / 'a_run.pieces.json', tmp_path / 'joined')
  assert list(contents(tmp_path / 'joined')) == ['metrics.jsonl']


def test_pieces_are_written_at_every_checkpoint(
  train_with, tmp_path, monkeypatch
):
  listing, calls, split = tmp_path / 'a_run.pieces.json', [], pieces.split

  def watched(*args, **kwargs):
    calls.append(None)
    if len(calls) == 1:
      raise FileNotFoundError('removed while it was read')
    written = split(*args, **kwargs)
    if len(calls) == 2:
      pieces.join(listing, tmp_path / 'joined')
    return written

  monkeypatch.setattr(pieces, 'split', watched)
  monkeypatch.setattr(train, '_EVERY_SECONDS', 0.01)
  train_with(listing, CHECKPOINTS)
  # After the failed first call, one call writes the checkpoint and one the
  # final state; the same checkpoint is not written again in between.
  assert len(calls) == 3
  assert list(contents(tmp_path / 'joined')) == ['checkpoints/4/weights']
