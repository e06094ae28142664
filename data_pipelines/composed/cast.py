"""Which pictures take which part in a composed sequence."""

import collections
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from data_pipelines.composed.library import Library

# The outline of a pole, which no library has: height and width, px.
POLE = -1
POLE_HW = (144, 24)
# Slim targets are the rarest, and their sizes the hardest to learn.
SLIM = 2.5
_SLIM_WEIGHT = 3.0
# Photographs that textures are taken from: so few that they stay decoded.
_TEXTURES = 200


class Extra(NamedTuple):
  """The picture of something beside the target.

  Attributes:
    cutout: Whose outline it has in the first frame, or POLE.
    texture: Photograph that fills the outline instead of the cutout.
  """

  cutout: int
  texture: int | None = None


class Roles(NamedTuple):
  """The pictures of a sequence.

  Attributes:
    target: Cutout of the target in the first frame.
    photograph: Photograph that everything lies on.
    decoys: Pieces of photographs that lie behind the target.
    distractors: Other objects, of the target's class where there are some.
    occluders: Pictures that pass in front of the target.
  """

  target: int
  photograph: int
  decoys: tuple[Extra, ...]
  distractors: tuple[Extra, ...]
  occluders: tuple[Extra, ...]


class Cast:
  """Draws objects, cutouts and photographs of a library."""

  def __init__(self, library: Library):
    self._library = library
    extent = np.array([np.ptp(hull, axis=0) for hull in library.hull])
    slim = extent.max(axis=1) > SLIM * extent.min(axis=1)
    weight = np.cumsum(np.where(slim, _SLIM_WEIGHT, 1.0))
    self._share = weight / weight[-1]
    self._every = np.arange(len(library.object_name))
    self._of_class = _grouped(library.object_category)
    self._in_photograph = _grouped(library.object_home)

  def roles(self, rng: np.random.Generator) -> Roles:
    """Draws the pictures of a sequence.

    None but the first shows the target, unless it is the only object.
    """
    target = self.target(rng)
    hero = int(self._library.cutout_object[target])
    return Roles(
      target,
      self._photograph(rng, hero),
      tuple(self._decoy(rng, hero) for _ in range(rng.integers(0, 4))),
      tuple(
        Extra(self._cutout_like(rng, hero))
        for _ in range(rng.choice(4, p=[0.15, 0.4, 0.3, 0.15]))
      ),
      tuple(
        self._occluder(rng, hero)
        for _ in range(rng.choice(3, p=[0.6, 0.28, 0.12]))
      ),
    )

  def objects(self, roles: Roles) -> list[int]:
    """Returns the objects that can be seen in a sequence, the target first.

    Among them are all objects of the photographs that it has pieces of.
    """
    extras = (*roles.decoys, *roles.distractors, *roles.occluders)
    cutouts = [roles.target]
    cutouts += [extra.cutout for extra in extras if extra.texture is None]
    photographs = [roles.photograph]
    photographs += [x.texture for x in extras if x.texture is not None]
    seen = [int(self._library.cutout_object[cutout]) for cutout in cutouts]
    for photograph in photographs:
      seen += self._in_photograph.get(photograph, [])
    return list(dict.fromkeys(seen))

  def target(self, rng: np.random.Generator) -> int:
    """Draws a cutout for a target: all alike, but slim ones more often."""
    found = np.searchsorted(self._share, rng.random(), side='right')
    return int(min(found, len(self._share) - 1))

  def cutouts(
    self, rng: np.random.Generator, first: int, frames: int
  ) -> Int[np.ndarray, 't']:
    """Draws the cutouts that show an object in each frame.

    Args:
      rng: Source of randomness.
      first: The cutout in the first frame.
      frames: How many.
    """
    library = self._library
    number = library.cutout_object[first]
    last = int(library.object_count[number]) - 1
    if not last:
      return np.full(frames, first)
    begin = int(library.object_first[number])
    # Forth and back through its video.
    speed = rng.choice([-1, 1]) * rng.uniform(0.3, 1.0)
    place = first - begin + speed * np.arange(frames)
    return begin + np.rint(last - abs(place % (2 * last) - last)).astype(int)

  def _decoy(self, rng: np.random.Generator, hero: int) -> Extra:
    return Extra(
      self._cutout_of(rng, self._every, hero), self._texture(rng, hero)
    )

  def _occluder(self, rng: np.random.Generator, hero: int) -> Extra:
    """Draws a pole, a piece of a photograph or, rarely, another object."""
    kind = rng.choice(['pole', 'piece', 'object'], p=[0.6, 0.2, 0.2])
    if kind == 'pole':
      return Extra(POLE, self._texture(rng, hero))
    cutout = self._cutout_of(rng, self._every, hero)
    return Extra(cutout, self._texture(rng, hero) if kind == 'piece' else None)

  def _cutout_like(self, rng: np.random.Generator, hero: int) -> int:
    """Draws a cutout of another object of a class, or of any if there is none.

    Objects of no known class are not of one class.
    """
    category = self._library.object_category[hero]
    kin = self._of_class[category] if category else []
    return self._cutout_of(rng, kin if len(kin) > 1 else self._every, hero)

  def _cutout_of(self, rng: np.random.Generator, objects, hero: int) -> int:
    """Draws a cutout of one of the objects but the hero, if there is one."""
    drawn = hero
    if len(objects) > 1:
      # The hero's own place is that of the last, which is not drawn.
      drawn = int(objects[rng.integers(len(objects) - 1)])
      drawn = int(objects[-1]) if drawn == hero else drawn
    first = int(self._library.object_first[drawn])
    return first + int(rng.integers(self._library.object_count[drawn]))

  def _photograph(
    self, rng: np.random.Generator, hero: int, most: int | None = None
  ) -> int:
    """Draws a photograph without the hero, of the first so many."""
    home = int(self._library.object_home[hero])
    count = len(self._library.photograph_size[:most])
    if not 0 <= home < count:
      return int(rng.integers(count))
    drawn = int(rng.integers(count - 1))
    return drawn + (drawn >= home)

  def _texture(self, rng: np.random.Generator, hero: int) -> int:
    return self._photograph(rng, hero, _TEXTURES)


def _grouped(labels: np.ndarray) -> dict[object, list[int]]:
  """Returns the numbers of the objects that have each label."""
  found = collections.defaultdict(list)
  for number, label in enumerate(labels.tolist()):
    found[label].append(number)
  return dict(found)
