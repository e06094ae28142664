"""The train command refuses bad arguments and configs in one line."""

import sys
from pathlib import Path

import pytest

from acm_jax import train
from acm_jax.host import command
from acm_jax.training import workdir

QUICK = '--config', 'siamban.py:quickstart'
CONFIGS = Path(__file__).parents[1] / 'configs'


@pytest.fixture
def run(monkeypatch, capsys):
  def run(*args):
    argv = ['train', *map(str, args)]
    monkeypatch.setattr(sys, 'argv', argv)
    code = command.run(train.define, train.main, train.__doc__)
    return code, capsys.readouterr()

  return run


def write_config(path, change):
  """Writes a config file: the config of the quick start with one change."""
  path.write_text(
    'from configs import siamban\n'
    'def get_config(arg=None):\n'
    "  config = siamban.get_config('quickstart')\n"
    '  with config.unlocked():\n'
    f'    config.{change}\n'
    '  return config\n'
  )


def test_an_unknown_key_in_a_config_file_is_named(run, tmp_path):
  path = tmp_path / 'mine.py'
  write_config(path, 'schedule.warmup = 3')
  code, printed = run('--config', path, '--workdir', tmp_path / 'run')
  assert code == 2
  assert 'error: config.schedule: ' in printed.err
  assert "an unexpected keyword argument 'warmup'" in printed.err
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('def get_config(arg=None): return {}', 'get_config returned a dict; retu'),
    ('def get_config(arg=None) return 1', 'SyntaxError'),
    ('import nothing\ndef get_config(arg=None): ...', "No module named 'nothi"),
    (
      'import math\ndef get_config(arg=None): math.tua',
      "--config: AttributeError: module 'math' has no attribute 'tua'; correct",
    ),
    (
      'def get_config(arg=None): {}["a"]',
      "--config: KeyError: 'a'; correct the file",
    ),
  ],
  ids=['dict', 'syntax', 'import', 'attribute', 'key'],
)
def test_a_broken_config_file_is_a_bad_request(run, tmp_path, text, message):
  (tmp_path / 'mine.py').write_text(text + '\n')
  code, printed = run('--config', tmp_path / 'mine.py')
  assert code == 2, printed.err
  assert message in printed.err


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
      'config.validation: no folder is named; give --validation_dir, the root',
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
def test_a_missing_teacher_or_validation_set_is_refused(
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
      [*QUICK, '--config.optimizer.name=lion'],
      "config.optimizer: unknown optimizer 'lion'; choose one of adamw, sgd",
    ),
    (
      ['--config', 'siamban.py:quickstart', '--teacher', 'nowhere'],
      '--teacher: the config has no section teacher',
    ),
    (
      ['--config', 'siamban.py:quickstart', '--validation_dir', 'nowhere'],
      '--validation_dir: the config has no section validation',
    ),
    (['--config', 'siamban.py:fast'], "argument 'fast' is unknown"),
    (
      [*QUICK, '--config.optimizer.name=sgd'],
      "config.optimizer: optimizer sgd: has no 'b1', 'b2', 'eps'; give weight",
    ),
    ([*QUICK, '--profile=0'], 'flag --profile=0: 0 is not a positive integer'),
    ([*QUICK, '--config.precision=half'], "unknown precision 'half'"),
    ([*QUICK, '--config.sharding.fsdp=3'], 'fsdp=3 does not divide the num'),
    (
      [*QUICK, '--config.trian=1'],
      "key: 'trian'",
    ),
    (
      [*QUICK, '--config.train.epoch=1'],
      "key: 'epoch'",
    ),
    (
      [*QUICK, '--config.train.epochs=x'],
      'epochs=x',
    ),
    (
      [*QUICK, '--config.tracker.fusion=sum'],
      "unknown fusion 'sum'",
    ),
    (
      [*QUICK, '--config.train.batch_size=84'],
      'cannot be split over 8 devices: make it 80 or 88',
    ),
    (
      [*QUICK, '--config.train.batch_size=0'],
      'config.train: batch_size=0 must be a whole number above 0',
    ),
    (
      ['--config', 'siamfc.py', '--config.train.batch_size=80'],
      'not prepared: ',
    ),
    (
      ['--config', 'siamban_acm.py:quickstart', '--init_from', 'nowhere'],
      'nowhere: no such folder',
    ),
  ],
  ids=lambda value: value if isinstance(value, str) else '',
)
def test_a_bad_argument_ends_with_one_line_and_exit_code_2(
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


def test_a_dry_run_writes_nothing_and_needs_no_data(run, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  config = f'{CONFIGS}/siamban.py:quickstart,tiny'
  code, printed = run('--config', config, '--dry_run')
  assert code == 0, printed.err
  assert 'do not exist yet: synthetic' in printed.out
  assert 'of the compiled program' in printed.out
  assert not list(tmp_path.iterdir())


def test_a_second_run_in_a_folder_is_refused(run, tmp_path):
  config = 'siamban.py:quickstart,tiny'
  with workdir.locked(tmp_path):
    code, printed = run(f'--config={CONFIGS / config}', f'--workdir={tmp_path}')
  assert code == 2
  assert 'another process is training in this folder' in printed.err
  assert [path.name for path in tmp_path.iterdir()] == ['.lock']
