"""Which two frames make a training pair: arithmetic on counters, no files.

Pair number i of a run is a pure function of (seed, i), whatever was read
before it, so that a resumed run and several hosts read the same pairs.

Source: the pair sampling of SiamFC (arXiv:1606.09549), with the negative pairs
of DaSiamRPN (arXiv:1808.06048).

A set's videos are drawn alike, then one of the video's tracks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int


class SetIndex(NamedTuple):
  """What sampling knows of a data set.

  Attributes:
    track_first: First frame of each track.
    track_count: Frames of each track, at least 1.
    track_video: Number of each track's video, ascending from 0.
    frame_number: Position of each frame in its video, ascending in a track.
    weight: Share of the pairs whose template comes from this data set,
      relative to the other sets' weights.
    gap: Largest distance of a positive pair's frames, in frame numbers.
    track_category: Class of each track's target; empty if unknown. All are
      unknown if it is not given.
    track_objects: Numbers of the objects that each track can show, the target's
      first, then -1 where there are fewer; the search track of a negative pair
      cannot show the template's target. Every track shows its own target alone
      if it is not given.
  """

  track_first: Int[np.ndarray, 't']
  track_count: Int[np.ndarray, 't']
  track_video: Int[np.ndarray, 't']
  frame_number: Int[np.ndarray, 'n']
  weight: float
  gap: int
  track_category: np.ndarray | None = None
  track_objects: Int[np.ndarray, 't k'] | None = None


class Place(NamedTuple):
  """A frame of a track of a data set, all by number."""

  dataset: int
  track: int
  frame: int


class Pair(NamedTuple):
  """Two frames, of one target (positive) or of two."""

  template: Place
  search: Place
  positive: bool


class PairSampler:
  """Draws pair number i of an endless run."""

  def __init__(
    self,
    datasets: Sequence[SetIndex],
    seed: int,
    negative: float,
    same_category: float = 0.0,
  ):
    """Checks the mixture.

    Args:
      datasets: The data sets, numbered in this order.
      seed: Of the run, 0 or more.
      negative: Part of the pairs that show two different targets.
      same_category: Part of the negative pairs whose targets are of one class
        and data set, from two videos: in one video the search image may show
        the template's target too. A target without such another has a negative
        pair of any class.

    Raises:
      ValueError: There is no data set, a weight or gap is negative, no weight
        is positive, a part is none, or negative pairs are wanted of a target
        that every track shows.
    """
    weights = np.array([d.weight for d in datasets], float)
    if not (weights >= 0).all() or weights.sum() <= 0:
      raise ValueError(
        f'data set weights {weights.tolist()}: none may be negative and one '
        'must be positive'
      )
    if min(d.gap for d in datasets) < 0:
      raise ValueError('the gap of a data set must be 0 frames or more')
    for name, part in (
      ('negative', negative),
      ('same_category', same_category),
    ):
      if not 0 <= part <= 1:
        raise ValueError(f'{name}={part}: a fraction from 0 to 1')
    self._datasets = datasets
    self._objects = [_objects(d) for d in datasets]
    drawn = [
      objects
      for objects, weight in zip(self._objects, weights, strict=True)
      if weight
    ]
    if negative and len(drawn) == 1 and _everywhere(drawn[0]):
      raise ValueError(
        'negative pairs need two tracks, for each target one that does not '
        'show it: add tracks or a data set, or set negative=0'
      )
    self._classes = [_Classes(d.track_category) for d in datasets]
    # First track of each video, and the end.
    self._videos = [
      np.searchsorted(d.track_video, np.arange(d.track_video[-1] + 2))
      for d in datasets
    ]
    self._share = np.cumsum(weights / weights.sum())
    # Those that pairs come from; of a weight of 0 there are none.
    self._drawn = np.flatnonzero(weights)
    self._seed = seed
    self._negative = negative
    self._same_category = same_category

  def __getitem__(self, number: int) -> Pair:
    """Pair number `number`, from 0."""
    # Every pair has 2**64 blocks of the generator's counter to itself.
    rng = np.random.Generator(
      np.random.Philox(key=self._seed, counter=[0, number, 0, 0])
    )
    dataset = np.searchsorted(self._share, rng.random(), side='right')
    template = self._place(rng, int(min(dataset, len(self._share) - 1)))
    if rng.random() >= self._negative:
      return Pair(template, self._near(rng, template), positive=True)
    # Without such pairs nothing is drawn for them: the others stay the same.
    if self._same_category and rng.random() < self._same_category:
      search = self._alike(rng, template)
      if search is not None:
        return Pair(template, search, positive=False)
    return Pair(template, self._other(rng, template), positive=False)

  def _other(self, rng: np.random.Generator, place: Place) -> Place:
    """A random frame of a track that does not show a place's target."""
    while True:
      other = int(self._drawn[rng.integers(len(self._drawn))])
      found = self._place(rng, other)
      if other != place.dataset or not self._shows(found.track, place):
        return found

  def _alike(self, rng: np.random.Generator, place: Place) -> Place | None:
    """A random frame of another object of the class, in another video."""
    video = self._datasets[place.dataset].track_video
    tracks = self._classes[place.dataset].like(place.track)
    tracks = tracks[
      (video[tracks] != video[place.track]) & ~self._shows(tracks, place)
    ]
    if not len(tracks):
      return None
    track = int(tracks[rng.integers(len(tracks))])
    return self._frame(rng, place.dataset, track)

  def _shows(
    self, tracks: int | Int[np.ndarray, 'k'], place: Place
  ) -> np.bool_ | Bool[np.ndarray, 'k']:
    """Whether tracks of a place's data set show the place's target."""
    objects = self._objects[place.dataset]
    return (objects[tracks] == objects[place.track, 0]).any(axis=-1)

  def _place(self, rng: np.random.Generator, dataset: int) -> Place:
    """A random frame of a random track of a random video of a data set."""
    videos = self._videos[dataset]
    video = rng.integers(len(videos) - 1)
    track = int(rng.integers(videos[video], videos[video + 1]))
    return self._frame(rng, dataset, track)

  def _frame(self, rng: np.random.Generator, dataset: int, track: int) -> Place:
    """A random frame of a track."""
    frames = self._datasets[dataset]
    frame = frames.track_first[track] + rng.integers(frames.track_count[track])
    return Place(dataset, track, int(frame))

  def _near(self, rng: np.random.Generator, place: Place) -> Place:
    """A random frame of the same track within the gap."""
    frames = self._datasets[place.dataset]
    first = frames.track_first[place.track]
    numbers = frames.frame_number[
      first : first + frames.track_count[place.track]
    ]
    middle = frames.frame_number[place.frame]
    low = np.searchsorted(numbers, middle - frames.gap, side='left')
    high = np.searchsorted(numbers, middle + frames.gap, side='right')
    return place._replace(frame=int(first + rng.integers(low, high)))


def _objects(frames: SetIndex) -> Int[np.ndarray, 't k']:
  if frames.track_objects is None:
    return np.arange(len(frames.track_first))[:, None]
  return frames.track_objects


def _everywhere(objects: Int[np.ndarray, 't k']) -> bool:
  """Whether the target of some track is shown by every track."""
  targets = np.intersect1d(objects[0], objects[:, 0])
  return any((objects == target).any(axis=1).all() for target in targets)


class _Classes:
  """Tracks of a data set by class."""

  def __init__(self, track_category: np.ndarray | None):
    if track_category is None:
      track_category = np.zeros(0, str)
    self._names, self._number = np.unique(track_category, return_inverse=True)
    self._order = np.argsort(self._number, kind='stable')
    self._first = np.searchsorted(
      self._number[self._order], np.arange(len(self._names) + 1)
    )

  def like(self, track: int) -> Int[np.ndarray, 'k']:
    """Tracks of a track's class, itself among them; none if it is unknown."""
    if not len(self._number) or not self._names[self._number[track]]:
      return self._order[:0]
    number = self._number[track]
    return self._order[self._first[number] : self._first[number + 1]]
