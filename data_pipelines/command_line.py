"""What the commands of this package share: help, one-line errors, exit codes.

Exit 0 done, 1 the work failed, 2 the request was wrong, as with the commands
of `acm_jax`, whose runner lies in a higher layer.
"""

import argparse
import sys
import traceback
from collections.abc import Callable

# The faults of a path that was named: the request is wrong, exit 2. Any other
# fault of the system, as a full disk, is work that failed: exit 1.
MISNAMED = (
  FileNotFoundError,
  FileExistsError,
  IsADirectoryError,
  NotADirectoryError,
  PermissionError,
)


class Parser(argparse.ArgumentParser):
  """Shows a command's docstring as it is, and prints an error as one line."""

  def __init__(self, prog: str, doc: str):
    super().__init__(
      prog=f'python -m {prog}',
      description=doc,
      formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    self.add_argument('--debug', action='store_true', help='show tracebacks')

  def error(self, message):
    self.exit(2, f'error: {message}; see --help\n')

  def run(
    self, work: Callable[[argparse.Namespace], str], argv: list[str] | None
  ) -> int:
    """Does the work, prints what it says, and returns the exit code.

    Args:
      work: Takes the options and does the work; an error prints as one line.
      argv: The command line without the program's name; the process's own if
        none is given.
    """
    options = self.parse_args(argv)
    debug = vars(options).pop('debug')
    try:
      print(work(options))
    except KeyboardInterrupt:
      print('interrupted', file=sys.stderr)
      return 130
    except Exception as error:
      expected = isinstance(error, (ValueError, RuntimeError, OSError))
      kind = '' if expected else f'{type(error).__name__}: '
      if debug:
        traceback.print_exc()
      else:
        print(f'error: {kind}{error}', file=sys.stderr)
      return 2 if isinstance(error, (ValueError, *MISNAMED)) else 1
    return 0
