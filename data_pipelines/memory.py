"""Training batches that OpenCV decodes: the source 'memory'.

Threads of this process decode, or worker processes where what a set does in
Python would hold the threads up. Both fill rows of one buffer, which the
workers share, for to pickle the images would take four times as long as to
copy them. Its slots are filled in turn, a batch each.
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
from data_pipelines.mixture import Mixture, Rooms

# Pairs of a task; what a task costs is shared by them.
_PAIRS = 4


def read_batches(
  mixture: Mixture, order: Order, steps: range, ahead: int
) -> Iterator[RawBatch]:
  """Decodes in threads: OpenCV works outside the interpreter's lock.

  Args:
    mixture: Gives the pairs.
    order: Which pairs a batch has.
    steps: Numbers of the batches.
    ahead: Batches that are decoded before they are asked for.

  Raises:
    ValueError: A JPEG is damaged.
  """
  shape = (ahead + 1, order.count)
  slots = np.empty(shape, _pair_type(mixture.rooms))
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
  rooms: Rooms,
  order: Order,
  steps: range,
  ahead: int,
) -> Iterator[RawBatch]:
  """Decodes the same batches in worker processes.

  Args:
    count: How many processes.
    open_mixture: Opens the mixture, in each worker; can be pickled.
    rooms: Sides of the images, px.
    order: Which pairs a batch has.
    steps: Numbers of the batches.
    ahead: Batches that are decoded before they are asked for.

  Raises:
    RuntimeError: A worker died.
    ValueError: A JPEG is damaged.
  """
  shape, pair = (ahead + 1, order.count), _pair_type(rooms)
  # Of no name, so that nothing is left of it if this process is killed.
  memory = multiprocessing.get_context('spawn').RawArray(
    ctypes.c_uint8, shape[0] * shape[1] * pair.itemsize
  )
  slots = np.frombuffer(memory, pair).reshape(shape)
  with workers.start(
    count, _open_fill, memory, shape, rooms, open_mixture
  ) as submit:
    yield from _batches(submit, slots, order, steps)


def _pair_type(rooms: Rooms) -> np.dtype:
  """Returns the type of a row of a RawBatch."""
  fields = [
    ('template', np.uint8, (rooms.template, rooms.template, 3)),
    ('search', np.uint8, (rooms.search, rooms.search, 3)),
    ('template_box', np.float32, (4,)),
    ('search_box', np.float32, (4,)),
    ('positive', np.bool_),
    ('sample_id', np.uint32, (2,)),
  ]
  return np.dtype(fields, align=True)


def _open_fill(
  memory: ctypes.Array,
  shape: tuple[int, int],
  rooms: Rooms,
  open_mixture: Callable[[], Mixture],
) -> Callable[[int, int, Sequence[int]], None]:
  """Makes a worker's `_fill`."""
  # The workers are the threads.
  cv2.setNumThreads(1)
  slots = np.frombuffer(memory, _pair_type(rooms)).reshape(shape)
  return functools.partial(_fill, slots, open_mixture())


def _fill(
  slots: np.ndarray,
  mixture: Mixture,
  slot: int,
  first: int,
  numbers: Sequence[int],
) -> None:
  """Decodes pairs into the rows of a slot from `first` on."""
  for row, number in enumerate(numbers, first):
    slots[slot, row] = mixture.decode(number)


def _batches(
  submit: Callable[..., Future],
  slots: np.ndarray,
  order: Order,
  steps: range,
) -> Iterator[RawBatch]:
  """Has the slots filled in turn, and copies each before its next turn.

  `submit` has `_fill` called with the slot, a row and the pairs for the rows
  from there on.
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
      yield _finished(*waiting.popleft())
  while waiting:
    yield _finished(*waiting.popleft())


def _finished(rows: np.ndarray, tasks: Sequence[Future]) -> RawBatch:
  """Waits for the tasks that fill a slot's rows, and copies these."""
  for task in tasks:
    task.result()
  return RawBatch(*(rows[name].copy() for name in RawBatch._fields))
