"""Form that is timed in a process of its own.

The threads of two libraries in one process slow each other down. A process of
its own also has its own number of threads.
"""

import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Time after which a process that has not ended is killed, in seconds.
_PATIENCE = 5.0


class Worker:
  """Process that runs a computation whenever it is asked to, and times it.

  The process first writes a line of text that describes its form. Then it reads
  lines with a number of calls, and answers each with a line with the mean
  seconds per call. It ends when its input ends. While it waits for a line, it
  must not use the processor. A process in Python calls `serve`.

  A worker is a context manager; the process runs within the context.

  Attributes:
    note: Description of the form; empty before the process has started.
  """

  def __init__(
    self,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
  ):
    """Prepares the process.

    Args:
      command: Program and arguments.
      environment: Environment variables to set in the process.
      folder: Working folder (default: that of the caller).
    """
    self._command, self._folder = list(command), folder
    self._environment = os.environ | (environment or {})
    self.note = ''

  def __enter__(self) -> 'Worker':
    """Starts the process, and waits for its note.

    Raises:
      RuntimeError: The process has ended.
    """
    self._errors = tempfile.TemporaryFile('w+', encoding='utf-8')
    self._process = subprocess.Popen(
      self._command,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      # A pipe that nobody reads would block the process once it is full.
      stderr=self._errors,
      env=self._environment,
      cwd=self._folder,
      encoding='utf-8',
    )
    try:
      self.note = self._line()
    except BaseException:
      self.__exit__()
      raise
    return self

  def __exit__(self, *_: object) -> None:
    """Ends the process."""
    try:
      # Closes the input of the process, and waits.
      self._process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
      self._process.kill()
      self._process.communicate()
    self._errors.close()

  def seconds(self, calls: int = 1) -> float:
    """Runs the computation and returns the mean seconds per call.

    Args:
      calls: Number of consecutive calls.

    Raises:
      RuntimeError: The process has ended.
    """
    # If the process has ended, the missing answer shows it.
    with contextlib.suppress(BrokenPipeError):
      self._process.stdin.write(f'{calls}\n')
      self._process.stdin.flush()
    return float(self._line())

  def _line(self) -> str:
    """Reads a line from the process."""
    if line := self._process.stdout.readline():
      return line.rstrip('\n')
    code = self._process.wait()
    self._errors.seek(0)
    lines = self._errors.read().strip().splitlines() or ['no message']
    raise RuntimeError(
      f'a timed process ended with exit code {code}: {lines[-1]}; to see all '
      f'its messages, run {shlex.join(self._command)}'
    )


def serve(prepare: Callable[[], tuple[str, Callable[[int], float]]]) -> None:
  """Answers a `Worker`, until the input of the process ends.

  Args:
    prepare: Function that returns the description of the form, and a function
      that takes a number of calls and returns the mean seconds per call.
  """
  answers = os.fdopen(os.dup(sys.stdout.fileno()), 'w', encoding='utf-8')
  # Messages of a library must not be taken for an answer.
  os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
  note, seconds = prepare()
  print(note, file=answers, flush=True)
  for line in sys.stdin:
    print(seconds(int(line)), file=answers, flush=True)
