"""Reads search crops, each with templates of its target and of wrong targets.

The frames are sampled as in training (`data_pipelines.pairs`), but the crops
are not augmented. Only the search crop is shifted, by up to `TRIAL_OFFSET` of
its side along each axis, so that the target is not always at the centre.
"""

import collections
import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.datasets import crops
from acm_jax.tracking.contract import Tracker
from acm_jax.training import data
from data_pipelines import manifests
from data_pipelines.mixture import DataSet, Mixture, Sides
from data_pipelines.pairs import TRIAL_OFFSET, FrameRef
from data_pipelines.training_set import TrainingSet

# Kinds of templates. The template `SIZE` is the right crop with the box size of
# the template `OTHER`.
RIGHT, OTHER, SAME_CLASS, SIZE = 'right', 'other', 'same_class', 'size'
KINDS = (RIGHT, OTHER, SAME_CLASS, SIZE)


class Pair(NamedTuple):
  """A search crop and its templates, or a batch of them.

  Attributes:
    search: Search crop, RGB.
    truth: Box of the target in the search crop, cx, cy, w, h relative to the
      centre of the crop, px.
    picture: Part of the search crop that shows the image and not padding, x1,
      y1, x2, y2 relative to the centre of the crop, px.
    template: Template crops, RGB; keys are those in `KINDS` that the data sets
      and the trackers have. A pair without a wrong template of some kind has
      the right template in its place, and `exists` is False.
    box_size: Width and height of the target in each template crop, px.
    exists: Whether the pair has a template of each kind.
    sequence: Number of the search crop's origin: pairs of the same video, or
      of the same object in composed sets, have the same number.
  """

  search: UInt8[np.ndarray, '*b hs hs 3']
  truth: Float[np.ndarray, '*b 4']
  picture: Float[np.ndarray, '*b 4']
  template: dict[str, UInt8[np.ndarray, '*b ht ht 3']]
  box_size: dict[str, Float[np.ndarray, '*b 2']]
  exists: dict[str, np.ndarray]
  sequence: np.ndarray


class Pairs:
  """Pairs by number: `pairs[i]` is pair i of an endless sequence.

  Attributes:
    fingerprints: SHA-256 checksum of each data set's manifest.
  """

  def __init__(
    self,
    sets: Sequence[DataSet],
    tracker: Tracker,
    seed: int,
    prior: bool = False,
  ):
    """Opens the data sets.

    Args:
      sets: Clip sets or composed sets.
      tracker: Tracker that determines the sizes of the crops.
      seed: Random seed, 0 or more.
      prior: Whether pairs have the template `SIZE`, for trackers whose networks
        read the size of the target's box.

    Raises:
      FileNotFoundError: A data set is missing.
      ValueError: Two sets are the same, the crops of a set are too small or
        have another scale than those of the tracker, or no set has a second
        video.
    """
    data.check_scale(sets, tracker.template_size, tracker.context_amount)
    self._template, self._search = tracker.template_size, tracker.search_size
    self._reach = round(TRIAL_OFFSET * tracker.search_size)
    sides = Sides(self._template, self._search + 2 * self._reach)
    self._mixture = Mixture(
      sets, sides, seed, negative=0.0, same_category=0.0, keep='none'
    )
    self._seed, self._prior = seed, prior
    clips = self._mixture.clips
    self.fingerprints = _fingerprints(clips)
    if not any(each.track_video[-1] for each in clips):
      raise ValueError(
        f'{", ".join(str(each.folder) for each in clips)}: a wrong template '
        'comes from another video of the same set, but no set has two; add '
        'videos to a set'
      )
    classes = any((each.track_category != '').any() for each in clips)
    self._kinds = (RIGHT, OTHER, SAME_CLASS) if classes else (RIGHT, OTHER)
    origins = np.concatenate([each.origins() for each in clips])
    _, numbers = np.unique(origins, return_inverse=True)
    ends = np.cumsum([len(each.track_video) for each in clips])
    # For each set, the number of each track's origin.
    self._sequence = np.split(numbers, ends[:-1])

  def name(self, number: int) -> str:
    """Returns the name of the track of a pair."""
    search = self._mixture.pairs.trial(number).search
    clips = self._mixture.clips[search.dataset]
    return str(clips.track_name[search.track])

  def __getitem__(self, number: int) -> Pair:
    """Reads and decodes the pair of the given number, counted from 0.

    Raises:
      ValueError: An image cannot be decoded.
    """
    trial = self._mixture.pairs.trial(number)
    search, truth = self._shifted(trial.search, number)
    picture = crops.picture(search) - self._search // 2
    frames = {kind: getattr(trial, kind) for kind in self._kinds}
    cut = {
      kind: self._mixture.crop(frame or trial.right, self._template)
      for kind, frame in frames.items()
    }
    template = {kind: image for kind, (image, _) in cut.items()}
    size = {kind: box[2:] for kind, (_, box) in cut.items()}
    exists = {k: np.array(frame is not None) for k, frame in frames.items()}
    if self._prior:
      template[SIZE], size[SIZE] = template[RIGHT], size[OTHER]
      exists[SIZE] = exists[OTHER]
    sequence = self._sequence[trial.search.dataset][trial.search.track]
    return Pair(
      search,
      truth,
      picture.astype(np.float32),
      template,
      size,
      exists,
      np.array(sequence),
    )

  def _shifted(self, frame: FrameRef, number: int):
    """Reads a search crop that is shifted by a whole number of pixels."""
    rng = np.random.default_rng([self._seed, number])
    corner = rng.integers(0, 2 * self._reach, 2, endpoint=True)
    image, box = self._mixture.crop(frame, self._mixture.sides.search)
    x, y = corner
    image = image[y : y + self._search, x : x + self._search]
    box[:2] -= corner + self._search // 2
    return image, box


def _fingerprints(clips: Sequence[TrainingSet]) -> list[str]:
  """Returns checksums of data sets, and refuses two with the same data."""
  folders = {}
  for each in clips:
    # The manifest lists the checksums of all other files.
    manifest = (each.folder / manifests.NAME).read_bytes()
    digest = hashlib.sha256(manifest).hexdigest()
    if digest in folders:
      raise ValueError(
        f'`sets`: {folders[digest]} and {each.folder} hold the same data; name '
        'one of them, once'
      )
    folders[digest] = each.folder
  return list(folders)


def batches(pairs: Pairs, count: int, batch_size: int) -> Iterator[Pair]:
  """Yields the first pairs in batches, and decodes one batch ahead.

  All batches have the same shape. The last batch is filled up with copies of
  its last pair.

  Args:
    pairs: Source of the pairs.
    count: Number of pairs.
    batch_size: Number of pairs in a batch.

  Raises:
    ValueError: An image cannot be decoded.
  """
  waiting: collections.deque[list[Future]] = collections.deque()
  with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    try:
      for first in range(0, count, batch_size):
        numbers = range(first, min(first + batch_size, count))
        waiting.append([pool.submit(pairs.__getitem__, i) for i in numbers])
        if len(waiting) > 1:
          yield _batch(waiting.popleft(), batch_size)
      yield _batch(waiting.popleft(), batch_size)
    finally:
      pool.shutdown(cancel_futures=True)


def _batch(tasks: list[Future], batch_size: int) -> Pair:
  import jax

  rows = [task.result() for task in tasks]
  rows += rows[-1:] * (batch_size - len(rows))
  return jax.tree.map(lambda *each: np.stack(each), *rows)
