"""Training batches of clips and composed frames: `train_batches(sets, ...)`.

Two sources read the same folders and give the same pairs and boxes:

    records  a tf.data pipeline; decodes only the room that is asked for
    memory   no TensorFlow; the shards held in RAM, decoded by OpenCV

Their pixels differ by what two JPEG decoders differ, under a level on average.
"""

import atexit
import functools
import sys
import weakref
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from data_pipelines import memory, records
from data_pipelines.batch import Order, RawBatch
from data_pipelines.mixture import DataSet, Mixture, Rooms

# Batches that are decoded ahead of the one being trained on.
_AHEAD = 2

_SOURCES = ('records', 'memory')


def train_batches(
  sets: Sequence[DataSet | Mapping[str, Any]],
  *,
  batch_size: int,
  template_room: int,
  search_room: int,
  seed: int,
  negative: float = 0.2,
  same_category: float = 0.0,
  source: str = 'records',
  workers: int = 0,
  first_step: int = 0,
  last_step: int | None = None,
  process_index: int = 0,
  process_count: int = 1,
) -> Iterator[RawBatch]:
  """Batches of pairs; batch k is the same whatever came before it.

  Args:
    sets: The mixture: `DataSet`s or mappings of their fields.
    batch_size: Pairs of a step over all processes.
    template_room: Side of the template images, px.
    search_room: Side of the search images, px.
    seed: Of the run; pair i is a function of it and i.
    negative: Part of the pairs that show two different targets.
    same_category: Part of the negative pairs whose targets are of one class
      and data set, where a set knows classes and has two of one.
    source: 'records' or 'memory'.
    workers: Processes that read and decode for 'memory', each of which opens
      the sets; with 0 threads of this process do. The batches are the same.
    first_step: Number of the first batch, for resuming.
    last_step: Where to end; endless if it is not given. tf.data takes most of a
      minute to give up what it reads ahead, so that a run should name its end.
    process_index: Which part of each batch this process reads.
    process_count: In how many equal parts a batch is read.

  Yields:
    This process's batch_size / process_count pairs of a step.

  Raises:
    FileNotFoundError: A data set is not there.
    RuntimeError: The source is 'records' and TensorFlow is missing, or a worker
      died.
    ValueError: An argument is out of its range, or a JPEG is damaged (found
      when its batch is read).
  """
  if source not in _SOURCES:
    raise ValueError(f'source={source!r}: one of {", ".join(_SOURCES)}')
  if batch_size < 1 or batch_size % process_count:
    raise ValueError(
      f'batch_size={batch_size}: a positive multiple of the {process_count} '
      'processes'
    )
  if workers < 0 or (workers and source != 'memory'):
    raise ValueError(
      f'workers={workers}: a number of processes for source=memory, or 0'
    )
  rooms = Rooms(template_room, search_room)
  open_mixture = functools.partial(
    Mixture, sets, rooms, seed, negative, same_category
  )
  # With workers, too: what is wrong with the request is said now.
  keep = 'all' if source == 'memory' and not workers else 'none'
  mixture = open_mixture(keep)
  part = batch_size // process_count
  order = Order(batch_size, process_index * part, part)
  end = sys.maxsize // batch_size - 1 if last_step is None else last_step
  steps = range(first_step, end)
  if workers:
    batches = memory.read_batches_in_workers(
      workers,
      functools.partial(open_mixture, 'far'),
      rooms,
      order,
      steps,
      _AHEAD,
    )
  else:
    reader = memory if source == 'memory' else records
    batches = reader.read_batches(mixture, order, steps, _AHEAD)
  _close_at_exit(batches)
  return batches


def _close_at_exit(batches: Generator) -> None:
  """Ends reading before the interpreter does: tf.data's threads call Python.

  A thread that is still in such a call then keeps the process from ending.
  """
  alive = weakref.ref(batches)

  def close():
    if (generator := alive()) is not None:
      generator.close()

  atexit.register(close)
