"""Tells damaged checkpoints from those that only cannot be read at the moment.

Orbax and TensorStore raise errors of the same types in both cases.
"""

import os
import re
from pathlib import Path

# Errors about files that are missing or cannot be decoded.
_OF_CONTENT = (
  AssertionError,
  AttributeError,
  FileNotFoundError,
  IsADirectoryError,
  LookupError,
  NotADirectoryError,
  NotImplementedError,
  TypeError,
  ValueError,
)
# First words of TensorStore's messages about such files. Messages about the
# machine begin with other words, such as PERMISSION_DENIED.
_WORDS_OF_CONTENT = {
  'DATA_LOSS',
  'FAILED_PRECONDITION',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'OUT_OF_RANGE',
}


class DamagedError(ValueError):
  """A checkpoint is damaged or belongs to another network.

  Attributes:
    reason: What is wrong, without the checkpoint's path.
  """

  def __init__(self, message: str, reason: str):
    super().__init__(message)
    self.reason = reason


def cause_of(error: BaseException) -> BaseException:
  """Returns the error that Orbax has wrapped in others."""
  while error.__cause__ is not None:
    error = error.__cause__
  return error


def obstacle(error: BaseException, folder: Path) -> BaseException | None:
  """Returns what prevents reading a checkpoint that need not be damaged.

  Examples are missing permissions, too little memory and a lost network drive.

  Args:
    error: Error that Orbax has raised.
    folder: Folder of the checkpoint.

  Returns:
    The error that tells the obstacle; None if the checkpoint is damaged.
  """
  # Orbax can take a file for missing or empty that it could not read.
  try:
    _read_from_all(folder)
  except OSError as found:
    return found
  cause = cause_of(error)
  word = re.match('[A-Z_]+(?=: )', str(cause))
  of_content = not word or word[0] in _WORDS_OF_CONTENT
  return None if of_content and isinstance(cause, _OF_CONTENT) else cause


def _read_from_all(folder: Path) -> None:
  """Reads a byte of every file in a folder.

  Raises:
    OSError: A file or a subfolder cannot be read.
  """

  def fail(error):
    raise error

  for parent, _, names in os.walk(folder, onerror=fail):
    for name in names:
      path = os.path.join(parent, name)
      try:
        with open(path, 'rb') as file:
          file.read(1)
      except OSError as error:
        # Errors of reading do not name the file.
        error.filename = path
        raise


def reason(error: BaseException) -> str:
  """Returns the beginning of an error's message, or its type if it has none.

  Orbax raises errors of many types. One of them, KeyError, puts its message in
  quotes, which are left out.
  """
  text = error.args[0] if isinstance(error, KeyError) and error.args else error
  line = str(text).strip().split('\n')[0].rstrip(':')
  return line[:200] or type(error).__name__
