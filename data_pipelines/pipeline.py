"""Training batches from clip sets and composed sets: `train_batches(...)`.

Two sources read the same folders and yield the same pairs and boxes:

    records  a tf.data pipeline, which decodes only the requested centre
    memory   shards kept in memory and decoded by OpenCV, without TensorFlow

The pixels differ by less than a level on average, since the decoders differ.
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

# Number of batches that are decoded ahead of the one being trained on.
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
  """Yields batches of pairs; batch k does not depend on the batches before it.

  Args:
    sets: Data sets of the mixture: `DataSet`s or mappings of their fields.
    batch_size: Number of pairs in a step, over all processes.
    template_side: Side of the template images, px.
    search_side: Side of the search images, px.
    seed: Random seed; pair i is a function of `seed` and i.
    negative: Fraction of the pairs that show two different targets.
    same_category: Fraction of the negative pairs in which both targets have the
      same class and come from the same data set, provided that the set has
      classes and the class has a second target.
    source: 'records' or 'memory'.
    workers: Number of processes that read and decode for 'memory', each of
      which opens the sets; 0 uses threads of this process. The batches do not
      depend on the number.
    first_step: Number of the first batch, for resuming.
    last_step: Number of the batch before which to stop (default: endless).
      Runs should set `last_step`, since tf.data takes most of a minute to
      abandon batches that it reads ahead.
    process_index: Index of the part of each batch that this process reads.
    process_count: Number of equal parts that a batch is divided into.

  Yields:
    The batch_size / process_count pairs of a step that this process reads.

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
      f'`batch_size`={batch_size}: must be a positive multiple of the '
      f'{process_count} processes'
    )
  if workers < 0 or (workers and source != 'memory'):
    raise ValueError(
      f'`workers`={workers}: must be 0, or a number of processes with '
      'source=memory'
    )
  sides = Sides(template_side, search_side)
  open_mixture = functools.partial(
    Mixture, sets, sides, seed, negative, same_category
  )
  # The sets are opened even if only workers read them, so that an invalid
  # request fails at once.
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

  tf.data's threads call Python; a thread still in such a call when the
  interpreter ends would keep the process from ending.
  """
  alive = weakref.ref(batches)

  def close():
    if (generator := alive()) is not None:
      generator.close()

  atexit.register(close)
