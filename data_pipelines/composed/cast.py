"""Samples the cutouts and photographs of a composed sequence."""

import collections
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from data_pipelines.composed.library import Library

# Index that stands for a pole instead of a cutout of the library. Height and
# width of the pole's outline, px.
POLE = -1
POLE_HW = (144, 24)
# Ratio of longer to shorter side above which a cutout is slim. Weight of a slim
# cutout in the sampling of targets, where other cutouts have weight 1: slim
# targets are rare and hard to learn.
SLIM = 2.5
_SLIM_WEIGHT = 3.0
# Number of photographs that textures are taken from; few enough for all of them
# to stay in the cache of decoded photographs.
_TEXTURES = 200


class Extra(NamedTuple):
  """A filled outline that a sequence shows in addition to the target.

  Attributes:
    cutout: Index of the cutout whose outline is used in the first frame, or
      POLE for a pole.
    texture: Index of the photograph that fills the outline. If None, the
      outline keeps the pixels of the cutout.
  """

  cutout: int
  texture: int | None = None


class Roles(NamedTuple):
  """Pictures that a sequence is composed of.

  Attributes:
    target: Index of the target's cutout in the first frame.
    photograph: Index of the photograph in the background.
    decoys: Pieces of photographs that lie behind the target.
    distractors: Other objects, of the target's class where possible.
    occluders: Objects that pass in front of the target.
  """

  target: int
  photograph: int
  decoys: tuple[Extra, ...]
  distractors: tuple[Extra, ...]
  occluders: tuple[Extra, ...]


class Cast:
  """Samples objects, cutouts and photographs from a library."""

  def __init__(self, library: Library):
    self._library = library
    extent = np.array([np.ptp(hull, axis=0) for hull in library.hull])
    slim = extent.max(axis=1) > SLIM * extent.min(axis=1)
    weight = np.cumsum(np.where(slim, _SLIM_WEIGHT, 1.0))
    self._cumulative = weight / weight[-1]
    self._every = np.arange(len(library.object_name))
    self._of_class = _grouped(library.object_category)
    self._in_photograph = _grouped(library.object_home)

  def roles(self, rng: np.random.Generator) -> Roles:
    """Samples the pictures of a sequence.

    Neither the background nor the extras show the target's object, unless the
    library has no other object.
    """
    target = self.target(rng)
    # The hero is the target's object, which no other picture may show.
    hero = int(self._library.cutout_object[target])
    return Roles(
      target=target,
      photograph=self._photograph(rng, hero),
      decoys=tuple(self._decoy(rng, hero) for _ in range(rng.integers(0, 4))),
      distractors=tuple(
        Extra(self._cutout_like(rng, hero))
        for _ in range(rng.choice(4, p=[0.15, 0.4, 0.3, 0.15]))
      ),
      occluders=tuple(
        self._occluder(rng, hero)
        for _ in range(rng.choice(3, p=[0.6, 0.28, 0.12]))
      ),
    )

  def objects(self, roles: Roles) -> list[int]:
    """Returns the indices of the objects that a sequence can show.

    The target's object comes first. All objects in the photographs that the
    sequence uses are included.
    """
    extras = (*roles.decoys, *roles.distractors, *roles.occluders)
    cutouts = [roles.target]
    cutouts += [extra.cutout for extra in extras if extra.texture is None]
    photographs = [roles.photograph]
    photographs += [x.texture for x in extras if x.texture is not None]
    shown = [int(self._library.cutout_object[cutout]) for cutout in cutouts]
    for photograph in photographs:
      shown += self._in_photograph.get(photograph, [])
    return list(dict.fromkeys(shown))

  def target(self, rng: np.random.Generator) -> int:
    """Samples the cutout of a target; slim cutouts have a higher weight."""
    cutout = np.searchsorted(self._cumulative, rng.random(), side='right')
    return int(min(cutout, len(self._cumulative) - 1))

  def cutouts(
    self, rng: np.random.Generator, first: int, frames: int
  ) -> Int[np.ndarray, 't']:
    """Samples which cutout of an object each frame shows.

    Args:
      rng: Source of randomness.
      first: Index of the cutout in the first frame.
      frames: Number of frames.

    Returns:
      Index of the cutout in each frame.
    """
    library = self._library
    number = library.cutout_object[first]
    last = int(library.object_count[number]) - 1
    if not last:
      return np.full(frames, first)
    begin = int(library.object_first[number])
    # Play the cutouts of the object's video back and forth.
    speed = rng.choice([-1, 1]) * rng.uniform(0.3, 1.0)
    position = first - begin + speed * np.arange(frames)
    return begin + np.rint(last - abs(position % (2 * last) - last)).astype(int)

  def _decoy(self, rng: np.random.Generator, hero: int) -> Extra:
    return Extra(
      self._cutout_of(rng, self._every, hero), self._texture(rng, hero)
    )

  def _occluder(self, rng: np.random.Generator, hero: int) -> Extra:
    """Samples an occluder: an object, a piece of a photograph or a pole.

    Poles are the most frequent. `hero` is the target's object, which the
    occluder does not show.
    """
    kind = rng.choice(['pole', 'piece', 'object'], p=[0.6, 0.2, 0.2])
    if kind == 'pole':
      return Extra(POLE, self._texture(rng, hero))
    cutout = self._cutout_of(rng, self._every, hero)
    return Extra(cutout, self._texture(rng, hero) if kind == 'piece' else None)

  def _cutout_like(self, rng: np.random.Generator, hero: int) -> int:
    """Samples a cutout of an object other than `hero`, the target's object.

    The other object is of the same class if possible. Objects of unknown class
    never count as the same class.
    """
    category = self._library.object_category[hero]
    same_class = self._of_class[category] if category else []
    candidates = same_class if len(same_class) > 1 else self._every
    return self._cutout_of(rng, candidates, hero)

  def _cutout_of(self, rng: np.random.Generator, objects, hero: int) -> int:
    """Samples a cutout of an object other than `hero`, the target's object.

    Args:
      rng: Source of randomness.
      objects: Indices of the objects to choose from, including `hero`. If they
        include no other object, a cutout of `hero` is sampled.
      hero: Index of the target's object.
    """
    drawn = hero
    if len(objects) > 1:
      # Sample among all objects but the last. If the hero is drawn, the last
      # object replaces it. Hence all objects but the hero are equally likely.
      drawn = int(objects[rng.integers(len(objects) - 1)])
      drawn = int(objects[-1]) if drawn == hero else drawn
    first = int(self._library.object_first[drawn])
    return first + int(rng.integers(self._library.object_count[drawn]))

  def _photograph(
    self, rng: np.random.Generator, hero: int, first: int | None = None
  ) -> int:
    """Samples a photograph that does not show the target's object.

    Args:
      rng: Source of randomness.
      hero: Index of the target's object.
      first: Number of photographs to choose from, counted from the start of the
        library (default: all).
    """
    home = int(self._library.object_home[hero])
    count = len(self._library.photograph_size[:first])
    if not 0 <= home < count:
      return int(rng.integers(count))
    drawn = int(rng.integers(count - 1))
    return drawn + (drawn >= home)

  def _texture(self, rng: np.random.Generator, hero: int) -> int:
    return self._photograph(rng, hero, _TEXTURES)


def _grouped(labels: np.ndarray) -> dict[object, list[int]]:
  """Maps each label to the indices of the objects that have the label."""
  groups = collections.defaultdict(list)
  for number, label in enumerate(labels.tolist()):
    groups[label].append(number)
  return dict(groups)
