"""Tests of the runner of all commands: exit codes and one-line errors."""

import io
import logging
import os
import signal
import subprocess
import sys
import types

import pytest
from absl import flags

from acm_jax import evaluate, score, track, train
from acm_jax.host import command


def program(error=None):
  """Returns a command with a required flag `n` that raises `error`, if any."""

  def define(values):
    flags.DEFINE_integer('n', None, 'N.', required=True, flag_values=values)

  def main(values):
    if error:
      raise error
    print(f'n is {values.n}')

  return types.SimpleNamespace(define=define, main=main, __doc__='Does it.')


def test_success_has_exit_code_0(run_command):
  assert run_command(program(), '--n=3') == (0, ['n is 3'], [])


@pytest.mark.parametrize(
  ('error', 'code', 'line'),
  [
    (ValueError('a.txt row 3: bad'), 2, 'error: a.txt row 3: bad'),
    (ValueError('two\n  lines'), 2, 'error: two lines'),
    (FileNotFoundError('a: no such folder'), 2, 'error: a: no such folder'),
    (IsADirectoryError(21, 'Is a directory', 'a'), 2, 'error: a: Is a direct'),
    (PermissionError(13, 'Permission denied', 'a'), 2, 'error: a: Permission'),
    (OSError(28, 'No space left on device'), 1, 'error: [Errno 28] No space'),
    (OSError(28, 'No space left', 'a.txt'), 1, 'error: a.txt: No space left'),
    (ValueError('`n`: bad'), 2, 'error: --n: bad'),
    (ValueError('`m`: bad'), 2, 'error: `m`: bad'),
    (RuntimeError('no encoder'), 1, 'error: no encoder'),
    (KeyError('x'), 1, "error: KeyError: 'x' (--debug shows where)"),
    (KeyboardInterrupt(), 130, 'interrupted'),
  ],
  ids=lambda value: type(value).__name__ if value and value != 2 else '',
)
def test_an_error_is_one_line_and_an_exit_code(run_command, error, code, line):
  found, _, errors = run_command(program(error), '--n=3')
  assert found == code
  assert len(errors) == 1
  assert errors[0].startswith(line)


@pytest.fixture
def handle():
  """Returns a function that sets a signal's handler until the test ends."""
  before = {}

  def handle(number, handler):
    before[number] = signal.signal(number, handler)

  yield handle
  for number, handler in before.items():
    signal.signal(number, handler)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_like_ctrl_c(run_command, handle, number):
  handle(number, signal.SIG_DFL)
  finished = []

  def main(values):
    try:
      signal.raise_signal(number)
    finally:
      finished.append(values.n)

  interrupted = program()
  interrupted.main = main
  assert run_command(interrupted, '--n=3') == (
    128 + number,
    [],
    ['interrupted'],
  )
  assert finished == [3]
  assert signal.getsignal(number) == signal.SIG_DFL


def test_an_ignored_signal_stays_ignored(run_command, handle):
  handle(signal.SIGHUP, signal.SIG_IGN)
  interrupted = program()
  interrupted.main = lambda values: signal.raise_signal(signal.SIGHUP)
  assert run_command(interrupted, '--n=3') == (0, [], [])


def test_debug_shows_the_traceback(run_command):
  argv = '--n=3', '--debug'
  code, _, errors = run_command(program(ValueError('bad')), *argv)
  assert code == 2
  assert errors[0].startswith('Traceback')
  assert errors[-1] == 'ValueError: bad'


@pytest.mark.parametrize(
  ('argv', 'message'),
  [
    ([], '--n missing: see --help'),
    (['--n=x'], '--n=x'),
    (['--n=1', '--m=2'], "Unknown command line flag 'm'"),
    (['--n=1', 'more'], "unexpected argument 'more': see --help"),
  ],
  ids=['missing', 'no number', 'unknown', 'extra'],
)
def test_wrong_flags_are_named(refuse, argv, message):
  refuse(program(), *argv, message=message)


def test_logs_of_orbax_are_silenced():
  def passes(path):
    record = logging.LogRecord('absl', logging.WARNING, path, 1, '', (), None)
    return command._not_orbax(record)

  assert not passes('/site-packages/orbax/checkpoint/a.py')
  assert passes('/acm_jax/training/log.py')


@pytest.mark.parametrize('module', [train, track, evaluate, score])
def test_help_shows_an_example_and_every_flag(run_command, module):
  code, printed, errors = run_command(module, '--help')
  assert (code, errors) == (0, [])
  name = module.__name__.removeprefix('acm_jax.')
  assert any(line.startswith(f'  acm-jax {name} --') for line in printed)
  assert any('--debug: ' in line for line in printed)


def test_help_shows_choices_defaults_and_that_a_flag_may_be_repeated(
  run_command,
):
  def define(values):
    flags.DEFINE_enum('kind', 'a', ['a', 'b'], 'Kind.', flag_values=values)
    flags.DEFINE_integer('seed', 0, 'Seed.', flag_values=values)
    flags.DEFINE_multi_string('box', None, 'Box.', flag_values=values)
    flags.DEFINE_bool('check', False, 'Check.', flag_values=values)

  module = types.SimpleNamespace(define=define, main=print, __doc__='Does it.')
  _, printed, _ = run_command(module, '--help')
  assert printed[-4:] == [
    '  --kind: Kind: a, b (default: a).',
    '  --seed: Seed (default: 0).',
    '  --box: Box; may be repeated.',
    '  --check: Check.',
  ]


@pytest.mark.parametrize(
  ('argument', 'expected'),
  [
    ('--a=~/b', '--a=HOME/b'),
    ('~/b', 'HOME/b'),
    ('~', 'HOME'),
    ('--a=x,~/b', '--a=x,HOME/b'),
    ('--config=~/a.py:tiny', '--config=HOME/a.py:tiny'),
    ('--config.a.b=~/c', '--config.a.b=HOME/c'),
    ('--a=~/b=c', '--a=HOME/b=c'),
    ('--a=b/~/c', '--a=b/~/c'),
    ('--a=~no_such_user/b', '--a=~no_such_user/b'),
    ('a=~/b', 'a=~/b'),
  ],
)
def test_the_home_folder_is_found_in_all_paths(monkeypatch, argument, expected):
  monkeypatch.setenv('HOME', 'HOME')
  assert command._with_home(argument) == expected


def test_a_program_uses_utf8_in_any_locale():
  """Names of files, arguments and the output are then all in UTF-8."""
  lines = (
    'import sys',
    'from acm_jax.host import command',
    'command.use_utf8()',
    'print(sys.argv[1], sys.getfilesystemencoding())',
  )
  locale = {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}
  done = subprocess.run(
    [sys.executable, '-c', '\n'.join(lines), 'Größe 猫'],
    env=os.environ | locale,
    capture_output=True,
    check=True,
  )
  assert done.stdout.decode('utf-8') == 'Größe 猫 utf-8\n'


def test_what_a_terminal_cannot_show_is_escaped(monkeypatch):
  out = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
  monkeypatch.setattr(sys, 'stdout', out)
  printing = program()
  printing.main = lambda values: print('Größe', '\udce9')
  argv = ['program', '--n=3']
  assert command.run(printing.define, printing.main, 'Does it.', argv) == 0
  out.flush()
  assert out.buffer.getvalue() == b'Gr\\xf6\\xdfe \\udce9\n'
