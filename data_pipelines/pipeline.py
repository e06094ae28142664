"""Training batches of clips and composed frames: `train_batches(sets, ...)`.

Two sources read the same folders and give the same pairs and boxes:

    records  a tf.data pipeline; decodes only the room that is asked for
    memory   no TensorFlow; the shards held in RAM, decoded by OpenCV

Their pixels differ by what two JPEG decoders differ, under a level on average.
"""

import atexit
import collections
import dataclasses
import itertools
import os
import sys
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import cv2
import numpy as np
from etils import epath
from jaxtyping import Float

from data_pipelines import host_tensorflow, manifests
from data_pipelines.batch import RawBatch
from data_pipelines.pairs import Frames, Pair, PairSampler, Place
from data_pipelines.training_set import TrainingSet, open_set

# Batches that are decoded ahead of the one being trained on.
_AHEAD = 2


@dataclasses.dataclass(frozen=True)
class DataSet:
  """A set's part in the mixture.

  Attributes:
    path: Folder of the set, here or at an address that etils.epath knows.
    weight: Share of the pairs, relative to the other sets' weights.
    num_use: The same as pysot has it: pairs an epoch, or -1 for as many as
      the set has videos; 0 leaves it to the weight.
    gap: Largest distance of a positive pair's frames, in frame numbers.
  """

  path: epath.PathLike
  weight: float = 1.0
  num_use: int = 0
  gap: int = 100


def train_batches(
  sets: Sequence[Any],
  *,
  batch_size: int,
  template_room: int,
  search_room: int,
  seed: int,
  negative: float = 0.2,
  same_category: float = 0.0,
  source: str = 'records',
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
    first_step: Number of the first batch, for resuming.
    last_step: Where to end; endless if it is not given. tf.data takes most of a
      minute to give up what it reads ahead, so that a run should name its end.
    process_index: Which part of each batch this process reads.
    process_count: In how many equal parts a batch is read.

  Yields:
    This process's batch_size / process_count pairs of a step.

  Raises:
    FileNotFoundError: A data set is not there.
    RuntimeError: The source is 'records' and TensorFlow is missing.
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
  rooms = _Rooms(template_room, search_room)
  in_memory = source == 'memory'
  mixture = _Mixture(sets, rooms, seed, (negative, same_category), in_memory)
  part = batch_size // process_count

  def numbers(step: int) -> range:
    start = step * batch_size + process_index * part
    return range(start, start + part)

  end = sys.maxsize // batch_size - 1 if last_step is None else last_step
  batches = _SOURCES[source](mixture, numbers, range(first_step, end))
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


class _Rooms(NamedTuple):
  """Sides of the images, px."""

  template: int
  search: int


class _Sample(NamedTuple):
  """A pair before decoding; the order is that of the RawBatch's fields."""

  template: bytes
  search: bytes
  template_box: np.ndarray
  search_box: np.ndarray
  positive: bool
  sample_id: np.ndarray


class _Mixture:
  """Data sets and the pairs drawn from them."""

  def __init__(self, sets, rooms: _Rooms, seed, parts, in_memory):
    sets = [s if isinstance(s, DataSet) else DataSet(**s) for s in sets]
    if not sets:
      raise ValueError('no data sets to train on: name one in sets')
    self._clips = [open_set(s.path, in_memory) for s in sets]
    for clip_set in self._clips:
      if clip_set.crop_size < max(rooms):
        raise ValueError(
          f'{clip_set.folder}: crops of {clip_set.crop_size} px are smaller '
          f'than the {max(rooms)} px that augmentation can reach; write it '
          'with a larger crop_size or shift and scale less'
        )
    for data_set, clip_set in zip(sets, self._clips, strict=True):
      several = clip_set.track_count.max() > 1
      if several and data_set.gap < clip_set.stride:
        raise ValueError(
          f'{clip_set.folder}: a gap of {data_set.gap}, but its frames are '
          f'{clip_set.stride} apart, so that both of a pair would be the same; '
          'write it with --stride 1'
        )
    if len({bool(data_set.num_use) for data_set in sets}) > 1:
      raise ValueError(
        'the data sets: some have num_use, others a weight; give all the same'
      )
    self.slow = not all(clip_set.at_hand for clip_set in self._clips)
    frames = [
      Frames(
        c.track_first,
        c.track_count,
        c.track_video,
        c.frame_number,
        weight=_weight(s, c),
        gap=s.gap,
        track_category=c.track_category,
        track_object=c.track_object,
      )
      for c, s in zip(self._clips, sets, strict=True)
    ]
    self.pairs = PairSampler(frames, seed, *parts)
    self.rooms = rooms

  def read(self, pair: Pair) -> _Sample:
    template, search = pair.template, pair.search
    return _Sample(
      self._clips[template.dataset].jpeg(template.frame),
      self._clips[search.dataset].jpeg(search.frame),
      self._box(template, self.rooms.template),
      self._box(search, self.rooms.search),
      pair.positive,
      np.array([template.dataset, template.track], np.uint32),
    )

  def decode(self, number: int) -> tuple:
    """A pair's fields of the RawBatch, images decoded by OpenCV."""
    pair = self.pairs[number]
    sample = self.read(pair)
    images = [
      self._image(place, jpeg, room)
      for place, jpeg, room in zip(pair, sample[:2], self.rooms, strict=False)
    ]
    return (*images, *sample[2:])

  def _image(self, place: Place, jpeg: bytes, room: int) -> np.ndarray:
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
      raise self._clips[place.dataset].broken(place.frame)
    corner = _corner(len(bgr), room)
    bgr = bgr[corner : corner + room, corner : corner + room]
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

  def _box(self, place: Place, room: int) -> Float[np.ndarray, '4']:
    clip_set = self._clips[place.dataset]
    box = clip_set.box[place.frame].copy()
    box[:2] -= _corner(clip_set.crop_size, room)
    return box


def _weight(data_set: DataSet, clip_set: TrainingSet) -> float:
  if data_set.num_use < 0:
    return float(clip_set.track_video[-1] + 1)
  return float(data_set.num_use or data_set.weight)


def _corner(crop_size: int, room: int) -> int:
  """First row and column of the centred room in a crop."""
  return (crop_size - room) // 2


def _from_memory(
  mixture: _Mixture, numbers: Callable[[int], range], steps: range
) -> Iterator[RawBatch]:
  """Decodes in threads: OpenCV works outside the interpreter's lock."""
  pool = ThreadPoolExecutor(_cores(), thread_name_prefix='decode')
  waiting: collections.deque = collections.deque()
  coming = iter(steps)
  try:
    for _ in steps:
      for step in itertools.islice(coming, _AHEAD + 1 - len(waiting)):
        pairs = numbers(step)
        waiting.append([pool.submit(mixture.decode, i) for i in pairs])
      samples = [future.result() for future in waiting.popleft()]
      columns = zip(*samples, strict=True)
      yield RawBatch(*(np.stack(column) for column in columns))
  finally:
    pool.shutdown(cancel_futures=True)


def _from_records(
  mixture: _Mixture, numbers: Callable[[int], range], steps: range
) -> Iterator[RawBatch]:
  """Reads and decodes inside tf.data, in order."""
  tf = host_tensorflow.load()
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
  part, stride = len(numbers(0)), numbers(1).start - numbers(0).start

  def read_batch(start):
    # A batch at a call: TensorFlow's way into Python takes its time.
    pairs = each(read, range(int(start), int(start) + part))
    columns = zip(*pairs, strict=True)
    return tuple(
      np.array(column, kind.as_numpy_dtype)
      for column, kind in zip(columns, kinds, strict=True)
    )

  def read_all(start):
    values = tf.numpy_function(read_batch, [start], kinds, stateful=False)
    for value, shape in zip(values, shapes, strict=True):
      value.set_shape((part, *shape))
    return tuple(values)

  def decode(*values):
    images = [
      _decode_room(tf, jpeg, room)
      for jpeg, room in zip(values[:2], mixture.rooms, strict=True)
    ]
    return (*images, *values[2:])

  starts = tf.data.Dataset.range(
    numbers(steps.start).start, numbers(steps.stop).start, stride
  )
  batches = (
    starts.map(read_all)
    .prefetch(_AHEAD)
    .unbatch()
    .map(decode, num_parallel_calls=_cores(), deterministic=True)
    .batch(part, drop_remainder=True)
    .prefetch(_AHEAD)
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
    for step in itertools.islice(steps, done, done + _AHEAD + 2):
      for number in numbers(step):
        mixture.decode(number)
    raise ValueError(
      f'a JPEG of the data sets cannot be decoded ({error.message})'
    ) from None
  finally:
    if pool:
      pool.shutdown(wait=False, cancel_futures=True)


def _cores() -> int:
  """Those this process may use; TensorFlow would feel its way up to them."""
  return len(os.sched_getaffinity(0))


def _blank(side: int) -> _Sample:
  """In the place of a pair that cannot be read."""
  jpeg = cv2.imencode('.jpg', np.zeros((side, side, 3), np.uint8))[1].tobytes()
  box = np.zeros(4, np.float32)
  return _Sample(jpeg, jpeg, box, box, False, np.zeros(2, np.uint32))


def _decode_room(tf, jpeg, room: int):
  """Decodes the centre of a JPEG, `room` px a side, and nothing else."""
  size = tf.image.extract_jpeg_shape(jpeg)[0]
  corner = (size - room) // 2
  image = tf.image.decode_and_crop_jpeg(
    jpeg, tf.stack([corner, corner, room, room]), channels=3
  )
  return tf.ensure_shape(image, (room, room, 3))


_SOURCES = {'records': _from_records, 'memory': _from_memory}
