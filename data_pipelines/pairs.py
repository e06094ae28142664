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
from jaxtyping import Int


class Frames(NamedTuple):
  """What sampling knows of a data set.

  Attributes:
    track_first: First frame of each track.
    track_count: Frames of each track, at least 1.
    track_video: Number of each track's video, ascending from 0.
    frame_number: Position of each frame in its video, ascending in a track.
    weight: Share of the pairs whose template comes from this data set,
      relative to the other sets' weights.
    gap: Largest distance of a positive pair's frames, in frame numbers.
  """

  track_first: Int[np.ndarray, 't']
  track_count: Int[np.ndarray, 't']
  track_video: Int[np.ndarray, 't']
  frame_number: Int[np.ndarray, 'n']
  weight: float
  gap: int


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

  def __init__(self, datasets: Sequence[Frames], seed: int, negative: float):
    """Checks the mixture.

    Args:
      datasets: The data sets, numbered in this order.
      seed: Of the run, 0 or more.
      negative: Part of the pairs that show two different targets.

    Raises:
      ValueError: There is no data set, a weight or gap is negative, no weight
        is positive, or negative pairs are wanted of a single track.
    """
    weights = np.array([d.weight for d in datasets], float)
    if not (weights >= 0).all() or weights.sum() <= 0:
      raise ValueError(
        f'data set weights {weights.tolist()}: none may be negative and one '
        'must be positive'
      )
    if min(d.gap for d in datasets) < 0:
      raise ValueError('the gap of a data set must be 0 frames or more')
    if not 0 <= negative <= 1:
      raise ValueError(f'negative={negative}: a fraction from 0 to 1')
    if negative and sum(len(d.track_first) for d in datasets if d.weight) < 2:
      raise ValueError('negative pairs need two tracks: add one or negative=0')
    self._datasets = datasets
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
    search = template
    while search[:2] == template[:2]:
      other = self._drawn[rng.integers(len(self._drawn))]
      search = self._place(rng, int(other))
    return Pair(template, search, positive=False)

  def _place(self, rng: np.random.Generator, dataset: int) -> Place:
    """A random frame of a random track of a random video of a data set."""
    frames, videos = self._datasets[dataset], self._videos[dataset]
    video = rng.integers(len(videos) - 1)
    track = int(rng.integers(videos[video], videos[video + 1]))
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
