"""The shared runner of all commands: flags, errors in one line, exit codes.

A command consists of a docstring (what it does, with an example), a function
that defines its flags on a `FlagValues` of its own, and a function that does
the work. Importing a command has no side effects, and no flag is global.

If the *request* is invalid, the command raises ValueError. For a path that is
missing, forbidden or of the wrong kind, the command may instead raise one of
the errors in `MISNAMED`, such as FileNotFoundError. The message says what is
wrong, where, and how to fix it; the exit code is 2. Any other error means that
the work failed, for example because the disk is full; the exit code is 1. In
both cases stderr gets one line; `--debug` prints the traceback instead. SIGTERM
and SIGHUP interrupt a command like Ctrl-C.

Error messages put the names of a function's arguments in backticks. If the
command has a flag of the same name, the runner prints the flag instead:
`data_dir` becomes --data_dir.
"""

import contextlib
import io
import logging
import os
import re
import signal
import sys
import textwrap
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from absl import flags

from acm_jax.host import config_files

# Exit codes.
DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
# Errors about a path that count as an invalid request.
MISNAMED = (
  FileNotFoundError,
  FileExistsError,
  IsADirectoryError,
  NotADirectoryError,
  PermissionError,
)


def run(
  define: Callable[[flags.FlagValues], None],
  main: Callable[[flags.FlagValues], None],
  doc: str,
  argv: Sequence[str] | None = None,
) -> int:
  """Parses the flags, does the work and returns the exit code.

  Args:
    define: Function that defines the command's flags on a `FlagValues`.
    main: Function that does the work, given the parsed flags. It raises errors
      as the docstring of this module describes.
    doc: Text that `--help` prints above the flags.
    argv: Command line, program name first (default: `sys.argv`).
  """
  if argv is None:
    use_utf8()
  _escape()
  argv = list(map(_with_home, sys.argv if argv is None else argv))
  values = flags.FlagValues()
  text = 'Show the traceback of an error.'
  flags.DEFINE_bool('debug', False, text, flag_values=values)
  define(values)
  if {'--help', '-h', '-help'} & set(argv[1:]):
    print(f'{doc.strip()}\n\nFlags:\n{_flags_help(values)}')
    return DONE
  debug = bool({'--debug', '--debug=true', '--debug=True'} & set(argv))
  if not debug:
    _quiet()
  try:
    with _interrupted_by(signal.SIGTERM, signal.SIGHUP):
      _parse(values, argv)
      main(values)
  except KeyboardInterrupt as interrupt:
    print('interrupted', file=sys.stderr)
    # A signal's number is the only argument of an interrupt from the handler.
    return 128 + interrupt.args[0] if interrupt.args else INTERRUPTED
  except Exception as error:
    if debug:
      traceback.print_exc()
    else:
      line = _with_flags(_one_line(error), values)
      print(f'error: {line}', file=sys.stderr)
    refused = isinstance(error, (ValueError, flags.Error, *MISNAMED))
    return REFUSED if refused else FAILED
  return DONE


@contextlib.contextmanager
def _interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
  """Lets signals interrupt the block as Ctrl-C does, so that work is kept.

  Batch systems and containers stop programs by SIGTERM. A signal that is
  ignored, as SIGHUP is under nohup, stays ignored.
  """
  if threading.current_thread() is not threading.main_thread():
    yield
    return

  def interrupt(number, frame):
    del frame
    raise KeyboardInterrupt(number)

  before = {
    number: signal.signal(number, interrupt)
    for number in numbers
    if signal.getsignal(number) is not signal.SIG_IGN
  }
  try:
    yield
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)


def _with_home(argument: str) -> str:
  """Replaces `~` at the beginning of paths, as a shell does.

  Shells leave out paths in quotes, paths in lists, and paths directly behind a
  flag: --out=~/tracked.
  """
  flag = re.match(r'(--?[\w.]+=)?', argument)[0]
  paths = argument.removeprefix(flag).split(',')
  return flag + ','.join(map(os.path.expanduser, paths))


def use_utf8() -> None:
  """Runs the program again in Python's UTF-8 mode, unless UTF-8 is in use.

  In a locale without UTF-8, Python would read the names of files in another
  encoding than the contents of files, which are in UTF-8. A sequence whose name
  is not ASCII would then not be found.
  """
  if sys.getfilesystemencoding() != 'utf-8' and 'utf8' not in sys._xoptions:
    os.execv(sys.executable, [sys.executable, '-Xutf8', *sys.orig_argv[1:]])


def _escape() -> None:
  """Lets stdout and stderr escape what their encoding does not have."""
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(errors='backslashreplace')


def _flags_help(values: flags.FlagValues) -> str:
  """Describes the command's flags, without those that absl itself defines."""
  texts = []
  for name in values:
    flag = values[name]
    text = ' '.join(flag.help.split()).removesuffix('.')
    # absl puts the values of an enum flag before the flag's text.
    if values_and_text := re.fullmatch(r'<(.+?)>: (.+)', text):
      choices = values_and_text[1].replace('|', ', ')
      text = f'{values_and_text[2]}: {choices}'
    # absl appends a remark to the text of a flag that may be repeated.
    remark = r'\.?; repeat this option to specify a list of values'
    text = re.sub(remark, '; may be repeated', text)
    if flag.default not in (None, [], '') and flag.default is not False:
      text += f' (default: {flag.default})'
    texts.append(f'--{name}: {text}.')
  wrap = textwrap.TextWrapper(
    width=80, initial_indent='  ', subsequent_indent=' ' * 6
  )
  return '\n'.join(map(wrap.fill, texts))


def _quiet() -> None:
  """Silences libraries that would log the error a second time."""
  # For a damaged checkpoint, the libraries list every missing array, on many
  # pages.
  logging.getLogger('asyncio').setLevel(logging.CRITICAL)
  logging.getLogger('absl').addFilter(_not_orbax)
  warnings.filterwarnings('ignore', module='orbax')
  # Pillow warns of damaged files; the reader of images decides about them.
  warnings.filterwarnings('ignore', module='PIL')


def _not_orbax(record: logging.LogRecord) -> bool:
  return 'orbax' not in Path(record.pathname).parts


def _parse(values: flags.FlagValues, argv: list[str]) -> None:
  argv = config_files.resolve(values, argv)
  try:
    extra = values(argv)[1:]
  except flags.IllegalFlagValueError as error:
    missing = re.findall(r'Flag (--\w+) must have a value', str(error))
    if not missing:
      raise
    raise ValueError(f'{", ".join(missing)} missing: see --help') from error
  except flags.Error:
    raise
  except Exception as error:
    # A config file can fail in any way, and ml_collections raises the same
    # errors for an unknown key on the command line as a file may raise.
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    in_file = {'<module>', 'get_config'} & {frame.name for frame in frames}
    if isinstance(error, AttributeError | KeyError) and not in_file:
      reason = error.args[0]
      if isinstance(reason, KeyError):
        reason = reason.args[0]
      raise ValueError(f'unknown config key: {reason}') from error
    raise ValueError(f'`config`: {kind}: {error}; correct the file') from error
  config_files.check(values)
  if extra:
    raise ValueError(f'unexpected argument {extra[0]!r}: see --help')


def _with_flags(text: str, values: flags.FlagValues) -> str:
  """Replaces backticked arguments with the command's flags of the same name."""

  def flag(argument: re.Match) -> str:
    name = argument[1]
    return f'--{name}' if name in values else argument[0]

  return re.sub(r'`(\w+)`', flag, text)


def _one_line(error: Exception) -> str:
  text = str(error)
  if isinstance(error, OSError) and error.filename:
    text = f'{error.filename}: {error.strerror}'
  if 'Traceback (most recent call last)' in text:
    # ml_collections passes on the whole traceback of an error in a config file.
    text = text.strip().splitlines()[-1].partition(': ')[2]
  text = ' '.join(text.split())
  if isinstance(error, ValueError | OSError | RuntimeError | flags.Error):
    return text or type(error).__name__
  return f'{type(error).__name__}: {text} (--debug shows where)'
