"""Loads TensorFlow for use on the host only."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

# Beginnings of lines that TensorFlow and LiteRT log. They are about
# accelerators, which are hidden from TensorFlow, about speed, and about
# settings without an effect.
_NOTICE = re.compile(
  rb'(\d{4}-\d\d-\d\d [\d:.]+: )?[IWE](\d{4} [\d:.]+ +\d+)? [\w/.]+:\d+\]'
  rb'|WARNING: All log messages before absl::InitializeLog'
  rb'|To enable the following instructions'
  rb'|INFO: Created TensorFlow Lite '
)


def load():
  """Imports TensorFlow and hides the accelerators from it.

  Only JAX uses the accelerators.

  Returns:
    The module `tensorflow`.

  Raises:
    RuntimeError: TensorFlow is not installed.
  """
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  with without_notices():
    try:
      import tensorflow as tf
    except ImportError:
      raise RuntimeError(
        "TensorFlow is not installed: run pip install 'acm-jax[train]', or set "
        'data.source=memory in the config to train without it'
      ) from None
    for kind in ('GPU', 'TPU'):
      tf.config.set_visible_devices([], kind)
  return tf


@contextlib.contextmanager
def without_notices() -> Iterator[None]:
  """Keeps notices of TensorFlow and LiteRT off stderr.

  Other lines follow after the block. TensorFlow 2.21 logs notices before it
  reads the level to log, its converter does not read the level, and LiteRT has
  none.
  """
  with tempfile.TemporaryFile() as written:
    stderr = os.dup(2)
    os.dup2(written.fileno(), 2)
    try:
      yield
    finally:
      os.dup2(stderr, 2)
      os.close(stderr)
      written.seek(0)
      lines = [line for line in written if not _NOTICE.match(line)]
      os.write(2, b''.join(lines))
