"""Samples training pairs, each of two frames, from data sets.

Pair number i depends only on i and on the arguments of the sampler, not on
other pairs. The pairs of a run therefore stay the same if the run is resumed or
divided among several hosts.

All videos of a set are equally likely, and so are all tracks of a video.

Source: the pair sampling of SiamFC (arXiv:1606.09549), with the negative pairs
of DaSiamRPN (arXiv:1808.06048).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

# Trials measure whether a tracker uses its template. Largest distance between
# the search frame and the frame of the right template, frames; and largest
# offset of the target from the centre of the search crop along each axis, as a
# fraction of the crop's side.
TRIAL_GAP = 60
TRIAL_OFFSET = 1 / 4


class SetIndex(NamedTuple):
  """Index of a data set, from which pairs are sampled.

  Attributes:
    track_first: Index of each track's first frame.
    track_count: Number of frames in each track, at least 1.
    track_video: Index of each track's video, ascending from 0.
    frame_number: Position of each frame in its video, ascending in a track.
    weight: Relative frequency of templates from this data set. A set with twice
      the weight of another set contributes twice as many templates.
    gap: Largest difference between the frame numbers of a positive pair.
    track_category: Class of each track's target, empty if unknown; None if all
      classes are unknown.
    track_objects: IDs of the objects that each track can show, one row per
      track: the target first, then other objects. Rows with fewer objects are
      padded with -1. None if every track shows only its own target. The search
      frame of a negative pair never comes from a track that can show the
      template's target.
  """

  track_first: Int[np.ndarray, 't']
  track_count: Int[np.ndarray, 't']
  track_video: Int[np.ndarray, 't']
  frame_number: Int[np.ndarray, 'n']
  weight: float
  gap: int
  track_category: np.ndarray | None = None
  track_objects: Int[np.ndarray, 't k'] | None = None


class FrameRef(NamedTuple):
  """Reference to a frame.

  Attributes:
    dataset: Index of the data set.
    track: Index of the track in the data set.
    frame: Index of the frame in the data set.
  """

  dataset: int
  track: int
  frame: int


class Pair(NamedTuple):
  """Two frames: of the same target if positive, else of different targets."""

  template: FrameRef
  search: FrameRef
  positive: bool


class Trial(NamedTuple):
  """A search frame with templates of its target and of two wrong targets.

  The wrong templates come from other videos of the same data set. They are None
  if the data set has no such track.

  Attributes:
    search: Frame to search for the target.
    right: Frame of the same track, at most `gap` frames away.
    other: Frame of another target. The search frame cannot show this target,
      and the frame cannot show the target of the search frame.
    same_class: Frame like `other`, of a target of the same class.
  """

  search: FrameRef
  right: FrameRef
  other: FrameRef | None
  same_class: FrameRef | None


class PairSampler:
  """Samples pairs by number: `sampler[i]` is pair i of an endless sequence."""

  def __init__(
    self,
    datasets: Sequence[SetIndex],
    seed: int,
    negative: float,
    same_category: float = 0.0,
  ):
    """Checks the arguments.

    Args:
      datasets: One `SetIndex` per data set; `FrameRef.dataset` is the position
        in this sequence.
      seed: Random seed of the run, 0 or more.
      negative: Fraction of the pairs that show two different targets.
      same_category: Fraction of the negative pairs in which both targets have
        the same class. The two targets come from different videos of one data
        set, since other tracks of the template's video might also show the
        template's target. If the data set has no such second target, the
        classes may differ.

    Raises:
      ValueError: `datasets` is empty, a weight or gap is negative, no weight is
        positive, a fraction is outside [0, 1], or negative pairs are requested
        although all tracks can show the same target.
    """
    weights = np.array([d.weight for d in datasets], float)
    if not (weights >= 0).all() or weights.sum() <= 0:
      raise ValueError(
        f'data set weights {weights.tolist()}: none may be negative, and at '
        'least one must be positive'
      )
    if min(d.gap for d in datasets) < 0:
      raise ValueError(
        f'data set gaps {[d.gap for d in datasets]}: none may be negative'
      )
    for name, fraction in (
      ('negative', negative),
      ('same_category', same_category),
    ):
      if not 0 <= fraction <= 1:
        raise ValueError(f'`{name}`={fraction}: must be between 0 and 1')
    self._datasets = datasets
    self._objects = [_objects(d) for d in datasets]
    drawn = [
      objects
      for objects, weight in zip(self._objects, weights, strict=True)
      if weight
    ]
    if negative and len(drawn) == 1 and _everywhere(drawn[0]):
      raise ValueError(
        'negative pairs need, for each target, a track that does not show it; '
        'add tracks or a data set, or set `negative` to 0'
      )
    self._classes = [_Classes(d.track_category) for d in datasets]
    # First track of each video, followed by the number of tracks.
    self._videos = [
      np.searchsorted(d.track_video, np.arange(d.track_video[-1] + 2))
      for d in datasets
    ]
    self._cumulative = np.cumsum(weights / weights.sum())
    # Sets with a weight of 0 are never sampled.
    self._drawn = np.flatnonzero(weights)
    self._seed = seed
    self._negative = negative
    self._same_category = same_category

  def __getitem__(self, number: int) -> Pair:
    """Returns the pair of the given number, counted from 0."""
    rng = self._rng(number)
    template = self._weighted_frame(rng)
    if rng.random() >= self._negative:
      return Pair(template, self._nearby(rng, template), positive=True)
    # If `same_category` is 0, no random number is drawn here, so the pairs are
    # those of a sampler without classes.
    if self._same_category and rng.random() < self._same_category:
      search = self._same_class(rng, template)
      if search is not None:
        return Pair(template, search, positive=False)
    return Pair(template, self._another(rng, template), positive=False)

  def trial(self, number: int) -> Trial:
    """Returns the trial of the given number, counted from 0.

    The search frame of a trial is the template frame of the pair with the same
    number.
    """
    rng = self._rng(number)
    search = self._weighted_frame(rng)
    right = self._nearby(rng, search)
    strangers = self._strangers(search)
    alike = self._classes[search.dataset].like(search.track)
    alike = np.intersect1d(strangers, alike, assume_unique=True)
    other, same_class = (
      self._frame(rng, search.dataset, int(tracks[rng.integers(len(tracks))]))
      if len(tracks)
      else None
      for tracks in (strangers, alike)
    )
    return Trial(search, right, other, same_class)

  def _rng(self, number: int) -> np.random.Generator:
    # The counter leaves 2**64 blocks of random numbers to each pair.
    return np.random.Generator(
      np.random.Philox(key=self._seed, counter=[0, number, 0, 0])
    )

  def _strangers(self, search: FrameRef) -> Int[np.ndarray, 'k']:
    """Returns the tracks whose targets can be wrong templates for a frame.

    They are tracks of other videos of the data set. Neither can they show the
    target of `search`, nor can the track of `search` show their targets.
    """
    objects = self._objects[search.dataset]
    video = self._datasets[search.dataset].track_video
    known = self._shows(np.arange(len(objects)), search)
    known |= np.isin(objects[:, 0], objects[search.track])
    return np.flatnonzero(~known & (video != video[search.track]))

  def _another(self, rng: np.random.Generator, template: FrameRef) -> FrameRef:
    """Samples a frame of a track that does not show the template's target."""
    while True:
      dataset = int(self._drawn[rng.integers(len(self._drawn))])
      search = self._any_frame(rng, dataset)
      same_set = dataset == template.dataset
      if not same_set or not self._shows(search.track, template):
        return search

  def _same_class(
    self, rng: np.random.Generator, template: FrameRef
  ) -> FrameRef | None:
    """Samples a frame of another target of the template's class.

    The frame is from another video of the same data set. Returns None if the
    data set has no such frame.
    """
    video = self._datasets[template.dataset].track_video
    tracks = self._classes[template.dataset].like(template.track)
    other_video = video[tracks] != video[template.track]
    tracks = tracks[other_video & ~self._shows(tracks, template)]
    if not len(tracks):
      return None
    track = int(tracks[rng.integers(len(tracks))])
    return self._frame(rng, template.dataset, track)

  def _shows(
    self, tracks: int | Int[np.ndarray, 'k'], template: FrameRef
  ) -> np.bool_ | Bool[np.ndarray, 'k']:
    """Returns, for each of `tracks`, whether it can show the template's target.

    The tracks must belong to the template's data set.
    """
    objects = self._objects[template.dataset]
    return (objects[tracks] == objects[template.track, 0]).any(axis=-1)

  def _weighted_frame(self, rng: np.random.Generator) -> FrameRef:
    """Samples a data set by its weight, then a frame of the data set."""
    dataset = np.searchsorted(self._cumulative, rng.random(), side='right')
    return self._any_frame(rng, int(min(dataset, len(self._cumulative) - 1)))

  def _any_frame(self, rng: np.random.Generator, dataset: int) -> FrameRef:
    """Samples a video, then a track of the video, then a frame of the track."""
    videos = self._videos[dataset]
    video = rng.integers(len(videos) - 1)
    track = int(rng.integers(videos[video], videos[video + 1]))
    return self._frame(rng, dataset, track)

  def _frame(
    self, rng: np.random.Generator, dataset: int, track: int
  ) -> FrameRef:
    """Samples a frame of a track."""
    index = self._datasets[dataset]
    frame = index.track_first[track] + rng.integers(index.track_count[track])
    return FrameRef(dataset, track, int(frame))

  def _nearby(self, rng: np.random.Generator, template: FrameRef) -> FrameRef:
    """Samples a frame of the template's track, at most `gap` frames away."""
    index = self._datasets[template.dataset]
    first = index.track_first[template.track]
    count = index.track_count[template.track]
    numbers = index.frame_number[first : first + count]
    middle = index.frame_number[template.frame]
    low = np.searchsorted(numbers, middle - index.gap, side='left')
    high = np.searchsorted(numbers, middle + index.gap, side='right')
    return template._replace(frame=int(first + rng.integers(low, high)))


def _objects(index: SetIndex) -> Int[np.ndarray, 't k']:
  if index.track_objects is None:
    return np.arange(len(index.track_first))[:, None]
  return index.track_objects


def _everywhere(objects: Int[np.ndarray, 't k']) -> bool:
  """Returns whether all tracks of a data set can show the same target."""
  targets = np.intersect1d(objects[0], objects[:, 0])
  return any((objects == target).any(axis=1).all() for target in targets)


class _Classes:
  """Tracks of a data set, grouped by class."""

  def __init__(self, track_category: np.ndarray | None):
    if track_category is None:
      track_category = np.zeros(0, str)
    self._names, self._number = np.unique(track_category, return_inverse=True)
    self._order = np.argsort(self._number, kind='stable')
    self._first = np.searchsorted(
      self._number[self._order], np.arange(len(self._names) + 1)
    )

  def like(self, track: int) -> Int[np.ndarray, 'k']:
    """Returns the indices of all tracks that have the class of `track`.

    The result is empty if the class of `track` is unknown.
    """
    if not len(self._number) or not self._names[self._number[track]]:
      return self._order[:0]
    number = self._number[track]
    return self._order[self._first[number] : self._first[number + 1]]
