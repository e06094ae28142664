"""TensorFlow as this package uses it: on the host alone."""

import os


def load():
  """The TensorFlow module, which leaves the accelerators to JAX.

  Raises:
    RuntimeError: It is not installed.
  """
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  try:
    import tensorflow as tf
  except ImportError:
    raise RuntimeError(
      "TensorFlow is missing: pip install 'acm-jax[train]', or read a clip set "
      'that is already packed with source=memory'
    ) from None
  for kind in ('GPU', 'TPU'):
    tf.config.set_visible_devices([], kind)
  return tf
