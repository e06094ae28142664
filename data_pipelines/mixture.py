"""The mixture of sets that training reads: pairs by number, decoded or not."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from etils import epath
from jaxtyping import Float

from acm_jax.host.staging import is_here
from data_pipelines.pairs import Pair, PairSampler, Place, SetIndex
from data_pipelines.training_set import TrainingSet, open_set


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


class Rooms(NamedTuple):
  """Sides of the images, px."""

  template: int
  search: int


class Sample(NamedTuple):
  """A pair before decoding; the order is that of the RawBatch's fields."""

  template: bytes
  search: bytes
  template_box: np.ndarray
  search_box: np.ndarray
  positive: bool
  sample_id: np.ndarray


# Which sets are read whole when they are opened, and kept in memory.
Keep = Literal['none', 'far', 'all']


class Mixture:
  """Data sets and the pairs drawn from them.

  Attributes:
    slow: Whether a set takes its time to give a JPEG.
    pairs: Pairs by number.
    rooms: Sides of the images, px.
  """

  def __init__(
    self,
    sets: Sequence[DataSet | Mapping[str, Any]],
    rooms: Rooms,
    seed: int,
    negative: float,
    same_category: float,
    keep: Keep,
  ):
    """Opens the sets.

    Args:
      sets: `DataSet`s or mappings of their fields.
      rooms: Sides of the images, px.
      seed: See `PairSampler`.
      negative: See `PairSampler`.
      same_category: See `PairSampler`.
      keep: Which clip sets are read now and kept in memory: none, those that
        are not on this machine, or all.

    Raises:
      FileNotFoundError: A data set is not there.
      ValueError: An argument is out of its range, or a set does not suit it.
    """
    sets = [s if isinstance(s, DataSet) else DataSet(**s) for s in sets]
    if not sets:
      raise ValueError('no data sets to train on: name one in sets')
    self._clips = [open_set(s.path, _kept(s.path, keep)) for s in sets]
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
      SetIndex(
        c.track_first,
        c.track_count,
        c.track_video,
        c.frame_number,
        weight=_weight(s, c),
        gap=s.gap,
        track_category=c.track_category,
        track_objects=c.track_objects,
      )
      for c, s in zip(self._clips, sets, strict=True)
    ]
    self.pairs = PairSampler(frames, seed, negative, same_category)
    self.rooms = rooms

  def read(self, pair: Pair) -> Sample:
    """Reads a pair."""
    template, search = pair.template, pair.search
    return Sample(
      self._clips[template.dataset].jpeg(template.frame, self.rooms.template),
      self._clips[search.dataset].jpeg(search.frame, self.rooms.search),
      self._box(template, self.rooms.template),
      self._box(search, self.rooms.search),
      pair.positive,
      np.array([template.dataset, template.track], np.uint32),
    )

  def decode(self, number: int) -> tuple:
    """Reads a pair's fields of the RawBatch, images decoded by OpenCV."""
    pair = self.pairs[number]
    sample = self.read(pair)
    images = [
      self._image(place, jpeg, room)
      for place, jpeg, room in zip(
        pair[:2], sample[:2], self.rooms, strict=True
      )
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


def _kept(path: epath.PathLike, keep: Keep) -> bool:
  return keep == 'all' or (keep == 'far' and not is_here(path))


def _weight(data_set: DataSet, clip_set: TrainingSet) -> float:
  if data_set.num_use < 0:
    return float(clip_set.track_video[-1] + 1)
  return float(data_set.num_use or data_set.weight)


def _corner(crop_size: int, room: int) -> int:
  """First row and column of the centred room in a crop."""
  return (crop_size - room) // 2
