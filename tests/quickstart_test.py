"""The quick start trains a tracker that works; the test takes minutes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_quick_start_doubles_the_overlap_of_the_first_box(
  tmp_path, monkeypatch
):
  # Users do not have the eight devices of the tests.
  monkeypatch.delenv('XLA_FLAGS')

  def run(module, *flags):
    command = [sys.executable, '-m', module, *flags]
    subprocess.run(command, check=True, cwd=ROOT)

  heldout, run_dir = f'{tmp_path}/heldout', f'{tmp_path}/quickstart'
  count = ('--sequences', '50', '--seed', '1000')
  run('data_pipelines.synthetic', '--out', heldout, *count)
  config = 'configs/siamban_acm.py:quickstart'
  run('acm_jax.train', '--config', config, '--workdir', run_dir)
  run(
    'acm_jax.evaluate',
    f'--checkpoint={run_dir}',
    '--benchmark=folder',
    f'--data_dir={heldout}',
    f'--out={tmp_path}/results',
    '--baseline=first_box',
  )
  scores = (tmp_path / 'results' / 'scores.json').read_text()
  trackers = json.loads(scores)['trackers']
  overlap = {name: t['average_overlap'] for name, t in trackers.items()}
  assert overlap['quickstart'] >= 2 * overlap['first_box']
