"""The train command: what it leaves, and how it refuses."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from acm_jax import train
from acm_jax.host import command
from acm_jax.training import checkpoints, sharding
from tests.training import fakes

CONFIGS = Path(__file__).parents[1] / 'configs'


@pytest.fixture
def run(monkeypatch, capsys):
  def run(*args):
    argv = ['train', *map(str, args)]
    monkeypatch.setattr(sys, 'argv', argv)
    code = command.run(train.define, train.main, train.__doc__)
    return code, capsys.readouterr()

  return run


def test_it_trains_a_small_network_on_synthetic_data(
  run, monkeypatch, tmp_path
):
  pytest.importorskip('tensorflow')
  # Compiled in half the time; several devices are the step's own test.
  monkeypatch.setattr(sharding, 'make_mesh', fakes.one_device)
  workdir = tmp_path / 'run'
  code, printed = run(
    *('--config', f'{CONFIGS}/siamban_acm.py:quickstart,tiny'),
    *('--workdir', workdir, '--config.train.epochs=2'),
  )
  assert code == 0, printed.err
  assert 'training: 8 steps in ' in printed.out
  config, variables = checkpoints.load_variables(workdir)
  assert config['tracker']['fusion'] == 'acm'
  assert set(variables) == {'params', 'batch_stats'}
  rows = [
    json.loads(row)
    for row in (workdir / 'metrics.jsonl').read_text().splitlines()
  ]
  assert [row['step'] for row in rows] == [2, 4, 6, 8]
  assert all(np.isfinite(row['loss']) for row in rows)


def write_config(path, change):
  """Writes a config file of the quick start with a change."""
  path.write_text(
    'from configs import siamban\n'
    'def get_config(arg=None):\n'
    "  config = siamban.get_config('quickstart')\n"
    '  with config.unlocked():\n'
    f'    config.{change}\n'
    '  return config\n'
  )


def test_a_key_that_a_config_file_adds_is_named(run, tmp_path):
  path = tmp_path / 'mine.py'
  write_config(path, 'schedule.warmup = 3')
  code, printed = run('--config', path, '--workdir', tmp_path / 'run')
  assert code == 2
  assert 'error: config.schedule: ' in printed.err
  assert "an unexpected keyword argument 'warmup'" in printed.err
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('change', 'args', 'message'),
  [
    ("teacher = {'cls': 1.0}", (), 'config.teacher: no teacher is named; give'),
    (
      "teacher = {'cls': 1.0}",
      ('--teacher', 'nowhere'),
      'nowhere: no such folder',
    ),
    (
      "validation = {'benchmark': 'folder', 'sequences': ('a', 'b')}",
      (),
      'config.validation: no folder is named; give --validation_dir=DIR',
    ),
    (
      "validation = {'benchmark': 'folder', 'sequences': ('0', 'b')}",
      ('--validation_dir', '{sequences}'),
      'config.validation: 0, b not found below',
    ),
    (
      "validation = {'benchmark': 'daviz', 'sequences': ('a', 'b')}",
      ('--validation_dir', '{sequences}'),
      "config.validation: unknown benchmark 'daviz'",
    ),
  ],
)
def test_a_teacher_or_validation_that_is_not_there_is_refused(
  run, sequences, tmp_path, change, args, message
):
  path = tmp_path / 'mine.py'
  write_config(path, change)
  args = [arg.format(sequences=sequences) for arg in args]
  code, printed = run('--config', path, '--workdir', tmp_path / 'run', *args)
  assert code == 2, printed.err
  assert f'error: {message}' in printed.err
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('args', 'message'),
  [
    ([], '--config missing'),
    (['--config', 'nowhere.py'], 'nowhere.py'),
    (
      ['--config', 'siamban.py', '--config.optimizer.name=lion'],
      "config.optimizer: no optimizer 'lion': there are adamw, sgd",
    ),
    (
      ['--config', 'siamban.py:quickstart', '--teacher', 'nowhere'],
      '--teacher: the config has no section `teacher`',
    ),
    (
      ['--config', 'siamban.py:quickstart', '--validation_dir', 'nowhere'],
      '--validation_dir: the config has no section `validation`',
    ),
    (['--config', 'siamban.py:fast'], "argument 'fast' is unknown"),
    (['--config', 'siamban.py', '--config.trian.x=1'], "key: 'trian'"),
    (['--config', 'siamban.py', '--config.train.epoch=1'], "key: 'epoch'"),
    (['--config', 'siamban.py', '--config.train.epochs=x'], 'epochs=x'),
    (
      ['--config', 'siamban.py', '--config.tracker.fusion=sum'],
      "no fusion 'sum'",
    ),
    (
      ['--config', 'siamban.py', '--config.train.batch_size=84'],
      'cannot be split over 8 devices: make it 80 or 88',
    ),
    (
      ['--config', 'siamban.py', '--config.train.batch_size=0'],
      'config.train: batch_size=0 must be a whole number above 0',
    ),
    (
      ['--config', 'siamban.py', '--config.train.batch_size=80'],
      'not prepared: coco, got10k',
    ),
    (
      ['--config', 'siamban_acm.py:quickstart', '--init_from', 'nowhere'],
      'nowhere: no such folder',
    ),
  ],
  ids=lambda value: value if isinstance(value, str) else '',
)
def test_a_bad_request_is_one_line_and_exit_2(
  run, args, message, monkeypatch, tmp_path
):
  monkeypatch.chdir(tmp_path)
  monkeypatch.delenv('ACM_DATA', raising=False)
  args = [f'{CONFIGS}/{arg}' if arg[:4] == 'siam' else arg for arg in args]
  code, printed = run(*args)
  assert code == 2, printed.err
  line = printed.err.strip().splitlines()[-1]
  assert line.startswith('error: ')
  assert message in line
  assert 'Traceback' not in printed.err
  assert not list(tmp_path.rglob('checkpoints'))
