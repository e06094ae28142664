"""Reads training batches from clip sets and composed sets.

A clip set stores JPEG crops around targets. A composed set renders such crops
on demand.

Two readers, called sources, yield the same pairs and boxes from the same sets:

    records  a tf.data pipeline, which decodes only the centre of each JPEG
    memory   OpenCV, without TensorFlow; keeps clip sets in memory

The pixels from the two sources differ by less than one level on average, since
their JPEG decoders differ.
"""

import atexit
import functools
import sys
import weakref
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from data_pipelines import memory, records
from data_pipelines.batch import Order, RawBatch
from data_pipelines.mixture import DataSet, Mixture, Sides

# Number of batches that are decoded ahead of the current step.
_AHEAD = 2

_SOURCES = ('records', 'memory')


def train_batches(
  sets: Sequence[DataSet | Mapping[str, Any]],
  *,
  batch_size: int,
  template_side: int,
  search_side: int,
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
  """Yields batches of pairs; no batch depends on the batches before it.

  Args:
    sets: Data sets, each as a `DataSet` or as a mapping with its fields.
    batch_size: Number of pairs in a batch, over all processes.
    template_side: Side of the template images, px.
    search_side: Side of the search images, px.
    seed: Random seed, 0 or more; pair i is a function of the seed and i.
    negative: Fraction of the pairs that show two different targets.
    same_category: Fraction of the negative pairs in which both targets have the
      same class and come from the same data set. If the data set has no second
      target of that class, the classes may differ.
    source: 'records' or 'memory'.
    workers: Number of worker processes that read and decode batches, only with
      the source 'memory'. Each worker opens the sets, and keeps only remote
      clip sets in memory. With 0, threads of this process do the work. The
      batches do not depend on `workers`.
    first_step: Number of the first batch, for resuming.
    last_step: Number of the batch before which to stop (default: endless).
    process_index: Index of this process, from 0.
    process_count: Number of processes, each of which reads an equal part of
      every batch.

  Yields:
    This process's part of a batch: `batch_size` / `process_count` pairs.

  Raises:
    FileNotFoundError: A data set is missing.
    RuntimeError: The source is 'records' and TensorFlow is not installed, or a
      worker died.
    ValueError: An argument is out of range, or a JPEG is damaged (raised when
      its batch is read).
  """
  if source not in _SOURCES:
    raise ValueError(
      f'`source`={source!r}: must be one of {", ".join(_SOURCES)}'
    )
  if batch_size < 1 or batch_size % process_count:
    raise ValueError(
      f'`batch_size`={batch_size}: must be a positive multiple of the number '
      f'of processes, {process_count}'
    )
  if workers < 0 or (workers and source != 'memory'):
    raise ValueError(
      f'`workers`={workers}: must not be negative, and must be 0 unless '
      "`source` is 'memory'"
    )
  sides = Sides(template_side, search_side)
  open_mixture = functools.partial(
    Mixture, sets, sides, seed, negative, same_category
  )
  # The sets are opened even if only workers read them, so that invalid
  # arguments fail at once.
  keep = 'all' if source == 'memory' and not workers else 'none'
  mixture = open_mixture(keep)
  part = batch_size // process_count
  order = Order(batch_size, process_index * part, part)
  end = sys.maxsize // batch_size - 1 if last_step is None else last_step
  steps = range(first_step, end)
  if workers:
    batches = memory.read_batches_in_workers(
      workers,
      functools.partial(open_mixture, 'remote'),
      sides,
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
  """Registers an exit handler that closes a generator.

  tf.data's threads call Python. A thread that is still in such a call when the
  interpreter ends would keep the process from ending.
  """
  alive = weakref.ref(batches)

  def close():
    if (generator := alive()) is not None:
      generator.close()

  atexit.register(close)
