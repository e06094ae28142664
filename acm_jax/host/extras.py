"""Files that a command writes in addition to its results."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from absl import logging

from acm_jax.host.staging import FullDiskError


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
  # Encoders and plotting libraries raise errors of many kinds.
  except Exception as error:
    logging.warning('%s: not written (%s); results are complete', path, error)
