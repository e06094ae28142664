"""Mixture of data sets from which training reads pairs of frames."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from etils import epath
from jaxtyping import Float, UInt8

from acm_jax.host.staging import is_local
from data_pipelines.pairs import FrameRef, Pair, PairSampler, SetIndex
from data_pipelines.training_set import TrainingSet, open_set


@dataclasses.dataclass(frozen=True)
class DataSet:
  """A data set and its part in the mixture.

  Attributes:
    path: Folder of the set, local or at an address that etils.epath supports.
    weight: Relative frequency of templates from this set. A set with twice the
      weight of another set contributes twice as many templates.
    num_use: Weight in the form of pysot, the number of pairs per epoch; used in
      place of `weight`. -1 stands for the number of videos in the set. With 0,
      `weight` is used.
    gap: Largest difference between the frame numbers of a positive pair.
  """

  path: epath.PathLike
  weight: float = 1.0
  num_use: int = 0
  gap: int = 100


class Sides(NamedTuple):
  """Sides of the square template and search images, px."""

  template: int
  search: int


class Sample(NamedTuple):
  """A training pair: the fields of `RawBatch`, without the batch axis.

  The images are JPEGs until they are decoded.
  """

  template: bytes | UInt8[np.ndarray, 'ht ht 3']
  search: bytes | UInt8[np.ndarray, 'hs hs 3']
  template_box: np.ndarray
  search_box: np.ndarray
  positive: bool
  sample_id: np.ndarray


# Which clip sets are read into memory when they are opened.
Keep = Literal['none', 'remote', 'all']


class Mixture:
  """Data sets, and the pairs that are sampled from them.

  Attributes:
    clips: Opened data sets, in the given order.
    slow: Whether at least one set is slow to read: remote, or rendered.
    pairs: Sampler of the pairs; `pairs[i]` is pair number i.
    sides: Sides of the images, px.
  """

  def __init__(
    self,
    sets: Sequence[DataSet | Mapping[str, Any]],
    sides: Sides,
    seed: int,
    negative: float,
    same_category: float,
    keep: Keep,
  ):
    """Opens the sets.

    Args:
      sets: Data sets, each as a `DataSet` or as a mapping with its fields.
      sides: Sides of the images, px.
      seed: Random seed of the pairs, 0 or more.
      negative: Fraction of the pairs that show two different targets.
      same_category: Fraction of the negative pairs in which both targets have
        the same class and come from the same data set. If the data set has no
        second target of that class, the classes may differ.
      keep: Which clip sets to load into memory now: 'none', 'remote' or 'all'.

    Raises:
      FileNotFoundError: A data set is missing.
      ValueError: An argument is out of range, the crops of a set are too small,
        or the stride of a set is larger than its gap.
    """
    sets = [s if isinstance(s, DataSet) else DataSet(**s) for s in sets]
    if not sets:
      raise ValueError('`sets` is empty; name at least one data set')
    self.clips = [open_set(s.path, _kept(s.path, keep)) for s in sets]
    for data_set, clips in zip(sets, self.clips, strict=True):
      _check(data_set, clips, max(sides))
    if len({bool(data_set.num_use) for data_set in sets}) > 1:
      raise ValueError(
        '`sets`: some have num_use, others a weight; give num_use to all sets '
        'or to none'
      )
    self.slow = not all(clips.cheap_reads for clips in self.clips)
    self._weights = list(map(_weight, sets, self.clips))
    indices = [
      SetIndex(
        clips.track_first,
        clips.track_count,
        clips.track_video,
        clips.frame_number,
        weight=weight,
        gap=data_set.gap,
        track_category=clips.track_category,
        track_objects=clips.track_objects,
      )
      for clips, data_set, weight in zip(
        self.clips, sets, self._weights, strict=True
      )
    ]
    self.pairs = PairSampler(indices, seed, negative, same_category)
    self.sides = sides

  @property
  def crop_bytes(self) -> float:
    """Expected size of a crop as it is read, bytes; 0 for rendered crops."""
    sizes = [clips.crop_bytes for clips in self.clips]
    return float(np.average(sizes, weights=self._weights))

  @property
  def stored_bytes(self) -> float:
    """Size of all stored crops, bytes."""
    return sum(clips.crop_bytes * len(clips.box) for clips in self.clips)

  def read(self, pair: Pair) -> Sample:
    """Reads a pair without decoding its images, which are JPEGs."""
    template, search = pair.template, pair.search
    return Sample(
      self.clips[template.dataset].jpeg(template.frame, self.sides.template),
      self.clips[search.dataset].jpeg(search.frame, self.sides.search),
      self._box(template, self.sides.template),
      self._box(search, self.sides.search),
      pair.positive,
      np.array([template.dataset, template.track], np.uint32),
    )

  def decode(self, number: int) -> Sample:
    """Reads pair `number` and decodes its images with OpenCV."""
    pair = self.pairs[number]
    sample = self.read(pair)
    return sample._replace(
      template=self._image(pair.template, sample.template, self.sides.template),
      search=self._image(pair.search, sample.search, self.sides.search),
    )

  def crop(
    self, frame: FrameRef, side: int
  ) -> tuple[UInt8[np.ndarray, 's s 3'], Float[np.ndarray, '4']]:
    """Reads the centre of a frame's crop, and decodes it with OpenCV.

    Args:
      frame: Frame to read.
      side: Side of the image, px.

    Returns:
      The RGB image, and the target's box cx, cy, w, h in the image, px.
    """
    jpeg = self.clips[frame.dataset].jpeg(frame.frame, side)
    return self._image(frame, jpeg, side), self._box(frame, side)

  def _image(self, frame: FrameRef, jpeg: bytes, side: int) -> np.ndarray:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flags)
    if bgr is None:
      raise self.clips[frame.dataset].jpeg_error(frame.frame)
    corner = _corner(len(bgr), side)
    bgr = bgr[corner : corner + side, corner : corner + side]
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

  def _box(self, frame: FrameRef, side: int) -> Float[np.ndarray, '4']:
    clips = self.clips[frame.dataset]
    box = clips.box[frame.frame].copy()
    box[:2] -= _corner(clips.crop_size, side)
    return box


def _check(data_set: DataSet, clips: TrainingSet, side: int) -> None:
  """Checks the side of a set's crops, and its stride.

  The stride is the distance between successive frames of the set. It must not
  exceed the gap, the largest distance between the frames of a positive pair.

  Args:
    data_set: Settings of the set, such as the gap.
    clips: The opened set.
    side: Minimum side of the crops, px.

  Raises:
    ValueError: The crops are too small, or the stride is larger than the gap.
  """
  if clips.crop_size < side:
    raise ValueError(
      f'{clips.folder}: crops of {clips.crop_size} px are smaller than the '
      f'{side} px of an image with its margin for augmentation; write the set '
      'with a larger crop_size, or reduce shift and scale'
    )
  if clips.track_count.max() > 1 and data_set.gap < clips.stride:
    raise ValueError(
      f'{clips.folder}: frames are {clips.stride} apart, more than the gap of '
      f'{data_set.gap}, so both images of a positive pair would show the '
      'same frame; write the set with stride 1, or increase the gap'
    )


def _kept(path: epath.PathLike, keep: Keep) -> bool:
  return keep == 'all' or (keep == 'remote' and not is_local(path))


def _weight(data_set: DataSet, clips: TrainingSet) -> float:
  if data_set.num_use < 0:
    return float(clips.track_video[-1] + 1)
  return float(data_set.num_use or data_set.weight)


def _corner(crop_size: int, side: int) -> int:
  """Returns the index of the first row of the square at a crop's centre.

  The first column of the square has the same index.

  Args:
    crop_size: Side of the crop, px.
    side: Side of the square, px.
  """
  return (crop_size - side) // 2
