"""Source 'records' of `pipeline.train_batches`: reads batches with tf.data."""

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from data_pipelines import host_tensorflow, manifests
from data_pipelines.batch import Order, RawBatch
from data_pipelines.mixture import Mixture, Sample


def read_batches(
  mixture: Mixture, order: Order, steps: range, ahead: int
) -> Iterator[RawBatch]:
  """Reads and decodes batches with tf.data, in order.

  Args:
    mixture: Source of the pairs.
    order: Assignment of pairs to batches.
    steps: Numbers of the batches.
    ahead: Number of batches to read ahead.

  Raises:
    RuntimeError: TensorFlow is not installed.
    ValueError: A JPEG is damaged.
  """
  tf = host_tensorflow.load()
  # tf.data.AUTOTUNE would need many batches to reach this parallelism.
  cores = len(os.sched_getaffinity(0))
  failures: list[Exception] = []
  blank = _blank(max(mixture.sides))

  def read(number):
    try:
      return mixture.read(mixture.pairs[int(number)])
    except (OSError, ValueError) as error:
      # TensorFlow would print the whole traceback. Instead, the error is
      # raised below, before the batch of this pair is yielded.
      failures.append(error)
      return blank

  # Threads hide the latency of remote reads and the time that rendering takes.
  # For local clip sets they would only add overhead.
  pool = (
    ThreadPoolExecutor(manifests.REQUESTS, 'read') if mixture.slow else None
  )
  each = pool.map if pool else map
  kinds = (tf.string, tf.string, tf.float32, tf.float32, tf.bool, tf.uint32)
  shapes = ((), (), (4,), (4,), (), (2,))

  def read_batch(start):
    # Calls from TensorFlow into Python are slow, so one call reads a batch.
    pairs = each(read, range(int(start), int(start) + order.count))
    columns = zip(*pairs, strict=True)
    return tuple(
      np.array(column, kind.as_numpy_dtype)
      for column, kind in zip(columns, kinds, strict=True)
    )

  def read_all(start):
    values = tf.numpy_function(read_batch, [start], kinds, stateful=False)
    for value, shape in zip(values, shapes, strict=True):
      value.set_shape((order.count, *shape))
    return tuple(values)

  def decode(template, search, template_box, search_box, positive, sample_id):
    return (
      _decode_center(tf, template, mixture.sides.template),
      _decode_center(tf, search, mixture.sides.search),
      template_box,
      search_box,
      positive,
      sample_id,
    )

  starts = tf.data.Dataset.range(
    order.pairs(steps.start).start,
    order.pairs(steps.stop).start,
    order.batch_size,
  )
  batches = (
    starts.map(read_all)
    .prefetch(ahead)
    .unbatch()
    .map(decode, num_parallel_calls=cores, deterministic=True)
    .batch(order.count, drop_remainder=True)
    .prefetch(ahead)
  )
  batches = batches.with_options(_options(tf))
  done = 0
  try:
    for fields in batches.as_numpy_iterator():
      if failures:
        raise failures[0]
      yield RawBatch(*fields)
      done += 1
  except tf.errors.InvalidArgumentError as error:
    # TensorFlow's error does not name the JPEG. The batches after the last good
    # one are decoded again with `mixture.decode`: its error names the JPEG.
    for step in itertools.islice(steps, done, done + ahead + 2):
      for number in order.pairs(step):
        mixture.decode(number)
    raise ValueError(
      f'a JPEG of the data sets cannot be decoded ({error.message}); find the '
      'damaged set with acm-jax prepare --check'
    ) from None
  finally:
    if pool:
      pool.shutdown(wait=False, cancel_futures=True)


def _options(tf):
  """Returns the options of the dataset."""
  options = tf.data.Options()
  # The threads that decode images also copy them into the batch.
  options.experimental_optimization.map_and_batch_fusion = True
  # Nothing is left to tune, and closing a tuned dataset can take a minute,
  # because it waits until the tuner wakes up.
  options.autotune.enabled = False
  return options


def _blank(side: int) -> Sample:
  """Returns a black placeholder for a pair that cannot be read."""
  jpeg = cv2.imencode('.jpg', np.zeros((side, side, 3), np.uint8))[1].tobytes()
  box = np.zeros(4, np.float32)
  return Sample(jpeg, jpeg, box, box, False, np.zeros(2, np.uint32))


def _decode_center(tf, jpeg, side: int):
  """Decodes only the central `side` x `side` px of a JPEG."""
  size = tf.image.extract_jpeg_shape(jpeg)[0]
  corner = (size - side) // 2
  image = tf.image.decode_and_crop_jpeg(
    jpeg, tf.stack([corner, corner, side, side]), channels=3
  )
  return tf.ensure_shape(image, (side, side, 3))
