"""Source 'memory' of `pipeline.train_batches`: decodes images with OpenCV.

Images are decoded by threads of this process or by worker processes. Workers
are for data sets that run much Python code, such as composed sets. Threads
would wait for each other in such code, because of the interpreter's lock.

Decoded images are written into a buffer with several slots, which are filled in
turn. Each slot holds one batch. The buffer of worker processes is in shared
memory, since pickling the images would take four times as long as copying them.
"""

import collections
import ctypes
import functools
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np

from data_pipelines import workers
from data_pipelines.batch import Order, RawBatch
from data_pipelines.mixture import Mixture, Sides

# Number of pairs that one task decodes; several pairs share a task's overhead.
_PAIRS = 4


def read_batches(
  mixture: Mixture, order: Order, steps: range, ahead: int
) -> Iterator[RawBatch]:
  """Decodes batches in threads; OpenCV releases the interpreter's lock.

  Args:
    mixture: Source of the pairs.
    order: Assignment of pairs to batches.
    steps: Numbers of the batches.
    ahead: Number of batches to decode ahead.

  Raises:
    ValueError: A JPEG is damaged.
  """
  shape = (ahead + 1, order.count)
  slots = np.empty(shape, _pair_type(mixture.sides))
  fill = functools.partial(_fill, slots, mixture)
  pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
  try:
    submit = functools.partial(pool.submit, fill)
    yield from _batches(submit, slots, order, steps)
  finally:
    pool.shutdown(cancel_futures=True)


def read_batches_in_workers(
  count: int,
  open_mixture: Callable[[], Mixture],
  sides: Sides,
  order: Order,
  steps: range,
  ahead: int,
) -> Iterator[RawBatch]:
  """Decodes the same batches as `read_batches`, but in worker processes.

  Args:
    count: Number of processes.
    open_mixture: Function that opens the mixture in each worker; must be
      picklable.
    sides: Sides of the images, px.
    order: Assignment of pairs to batches.
    steps: Numbers of the batches.
    ahead: Number of batches to decode ahead.

  Raises:
    RuntimeError: A worker died.
    ValueError: A JPEG is damaged.
  """
  shape, pair = (ahead + 1, order.count), _pair_type(sides)
  # Anonymous memory, which is freed even if this process is killed.
  memory = multiprocessing.get_context('spawn').RawArray(
    ctypes.c_uint8, shape[0] * shape[1] * pair.itemsize
  )
  slots = np.frombuffer(memory, pair).reshape(shape)
  make = functools.partial(_open_fill, memory, shape, sides, open_mixture)
  with workers.start(count, make) as submit:
    yield from _batches(submit, slots, order, steps)


def _pair_type(sides: Sides) -> np.dtype:
  """Returns a NumPy data type for one pair, with the fields of RawBatch."""
  fields = [
    ('template', np.uint8, (sides.template, sides.template, 3)),
    ('search', np.uint8, (sides.search, sides.search, 3)),
    ('template_box', np.float32, (4,)),
    ('search_box', np.float32, (4,)),
    ('positive', np.bool_),
    ('sample_id', np.uint32, (2,)),
  ]
  return np.dtype(fields, align=True)


def _open_fill(
  memory: ctypes.Array,
  shape: tuple[int, int],
  sides: Sides,
  open_mixture: Callable[[], Mixture],
) -> Callable[[int, int, Sequence[int]], None]:
  """Opens the mixture in a worker.

  Returns:
    The function `_fill`, with the arguments `slots` and `mixture` bound.
  """
  # One thread is enough, since the workers together use all cores.
  cv2.setNumThreads(1)
  slots = np.frombuffer(memory, _pair_type(sides)).reshape(shape)
  return functools.partial(_fill, slots, open_mixture())


def _fill(
  slots: np.ndarray,
  mixture: Mixture,
  slot: int,
  first: int,
  numbers: Sequence[int],
) -> None:
  """Decodes pairs into consecutive rows of a slot.

  Args:
    slots: Buffer of pairs, indexed by slot and row.
    mixture: Source of the pairs.
    slot: Index of the slot.
    first: Row for the first pair.
    numbers: Numbers of the pairs.
  """
  for row, number in enumerate(numbers, first):
    slots[slot, row] = mixture.decode(number)


def _batches(
  submit: Callable[..., Future],
  slots: np.ndarray,
  order: Order,
  steps: range,
) -> Iterator[RawBatch]:
  """Decodes each batch into a slot, and yields a copy of the slot.

  Args:
    submit: Function that schedules `_fill(slot, first, numbers)`.
    slots: Buffer of pairs, indexed by slot and row.
    order: Assignment of pairs to batches.
    steps: Numbers of the batches.
  """
  waiting: collections.deque = collections.deque()
  for step in steps:
    slot, pairs = step % len(slots), order.pairs(step)
    tasks = [
      submit(slot, first, pairs[first : first + _PAIRS])
      for first in range(0, len(pairs), _PAIRS)
    ]
    waiting.append((slots[slot], tasks))
    if len(waiting) == len(slots):
      rows, tasks = waiting.popleft()
      yield _finished(rows, tasks)
  while waiting:
    rows, tasks = waiting.popleft()
    yield _finished(rows, tasks)


def _finished(rows: np.ndarray, tasks: Sequence[Future]) -> RawBatch:
  """Waits until the tasks have filled the rows; returns a copy of the rows."""
  for task in tasks:
    task.result()
  return RawBatch(*(rows[name].copy() for name in RawBatch._fields))
