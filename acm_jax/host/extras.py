"""Files that a command writes in addition to its results."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import cv2
from absl import logging

from acm_jax.host.staging import FullDiskError

# Errors that encoders and plotting libraries raise if they cannot write a file.
# Errors of other types are mistakes in our own code.
_UNWRITABLE = (OSError, MemoryError, RuntimeError, ValueError, cv2.error)


@contextlib.contextmanager
def extra(path: Path) -> Iterator[None]:
  """Turns a failure to write an additional file into a warning.

  A picture that cannot be drawn must not fail the work that it shows. A full
  disk is still an error, because the results may be incomplete, too.

  Args:
    path: File that the block writes.

  Raises:
    FullDiskError: The disk is full.
  """
  try:
    yield
  except FullDiskError:
    raise
  except _UNWRITABLE as error:
    kind = type(error).__name__
    logging.warning(
      '%s: not written (%s: %s); results are complete', path, kind, error
    )
