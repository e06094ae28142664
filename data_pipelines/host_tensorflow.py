"""Loads TensorFlow for use on the host only."""

import os


def load():
  """Imports TensorFlow and hides the accelerators from it.

  Only JAX uses the accelerators.

  Returns:
    The module `tensorflow`.

  Raises:
    RuntimeError: TensorFlow is not installed.
  """
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  try:
    import tensorflow as tf
  except ImportError:
    raise RuntimeError(
      "TensorFlow is not installed: run pip install 'acm-jax[train]'; to train "
      'without it on existing sets, set data.source=memory in the config'
    ) from None
  for kind in ('GPU', 'TPU'):
    tf.config.set_visible_devices([], kind)
  return tf
