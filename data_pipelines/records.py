"""Training batches that tf.data reads: the source 'records'."""

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
  """Reads and decodes inside tf.data, in order.

  Args:
    mixture: Gives the pairs.
    order: Which pairs a batch has.
    steps: Numbers of the batches.
    ahead: Batches that are read before they are asked for.

  Raises:
    RuntimeError: TensorFlow is missing.
    ValueError: A JPEG is damaged.
  """
  tf = host_tensorflow.load()
  # TensorFlow would feel its way up to them.
  cores = len(os.sched_getaffinity(0))
  failures: list[Exception] = []
  blank = _blank(max(mixture.rooms))

  def read(number):
    try:
      return mixture.read(mixture.pairs[int(number)])
    except (OSError, ValueError) as error:
      # TensorFlow would print it at length; it is raised before its batch.
      failures.append(error)
      return blank

  # Far away a read is mostly waiting, and drawing takes its time; what lies
  # ready is read at once, so that threads would only cost.
  pool = (
    ThreadPoolExecutor(manifests.REQUESTS, 'read') if mixture.slow else None
  )
  each = pool.map if pool else map
  kinds = (tf.string, tf.string, tf.float32, tf.float32, tf.bool, tf.uint32)
  shapes = ((), (), (4,), (4,), (), (2,))

  def read_batch(start):
    # A batch at a call: TensorFlow's way into Python takes its time.
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

  def decode(*values):
    images = [
      _decode_room(tf, jpeg, room)
      for jpeg, room in zip(values[:2], mixture.rooms, strict=True)
    ]
    return (*images, *values[2:])

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
  # Images are copied into their batch by the threads that decode them.
  options = tf.data.Options()
  options.experimental_optimization.map_and_batch_fusion = True
  batches = batches.with_options(options)
  done = 0
  try:
    for fields in batches.as_numpy_iterator():
      if failures:
        raise failures[0]
      yield RawBatch(*fields)
      done += 1
  except tf.errors.InvalidArgumentError as error:
    # It names no file: find the one by reading on from the last good batch.
    for step in itertools.islice(steps, done, done + ahead + 2):
      for number in order.pairs(step):
        mixture.decode(number)
    raise ValueError(
      f'a JPEG of the data sets cannot be decoded ({error.message})'
    ) from None
  finally:
    if pool:
      pool.shutdown(wait=False, cancel_futures=True)


def _blank(side: int) -> Sample:
  """In the place of a pair that cannot be read."""
  jpeg = cv2.imencode('.jpg', np.zeros((side, side, 3), np.uint8))[1].tobytes()
  box = np.zeros(4, np.float32)
  return Sample(jpeg, jpeg, box, box, False, np.zeros(2, np.uint32))


def _decode_room(tf, jpeg, room: int):
  """Decodes the centre of a JPEG, `room` px a side, and nothing else."""
  size = tf.image.extract_jpeg_shape(jpeg)[0]
  corner = (size - room) // 2
  image = tf.image.decode_and_crop_jpeg(
    jpeg, tf.stack([corner, corner, room, room]), channels=3
  )
  return tf.ensure_shape(image, (room, room, 3))
