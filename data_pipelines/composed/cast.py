"""Which pictures take which part in a composed sequence."""

import numpy as np
from jaxtyping import Int

from data_pipelines.composed.library import Library

# Slim targets are the rarest and the hardest to be told the size of.
SLIM = 2.5
_SLIM_WEIGHT = 3.0
# Photographs that textures are taken from.
_TEXTURES = 200


class Cast:
  """Draws objects, cutouts and photographs of a library."""

  def __init__(self, library: Library):
    self._library = library
    extent = np.array([np.ptp(hull, axis=0) for hull in library.hull])
    slim = extent.max(axis=1) > SLIM * extent.min(axis=1)
    weight = np.cumsum(np.where(slim, _SLIM_WEIGHT, 1.0))
    self._share = weight / weight[-1]
    _, self._category = np.unique(library.object_category, return_inverse=True)
    self._order = np.argsort(self._category, kind='stable')
    self._bound = np.searchsorted(
      self._category[self._order], np.arange(self._category.max() + 2)
    )

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

  def other(self, rng: np.random.Generator, number: int) -> int:
    """Draws a cutout of any object but one, which it is if it is alone."""
    return self._among(rng, np.arange(len(self._category)), number)

  def like(self, rng: np.random.Generator, number: int) -> int:
    """Draws a cutout of another object of one's class, or of any if alone."""
    kind = self._category[number]
    kin = self._order[self._bound[kind] : self._bound[kind + 1]]
    if len(kin) < 2:
      return self.other(rng, number)
    return self._among(rng, kin, number)

  def _among(
    self, rng: np.random.Generator, objects: Int[np.ndarray, 'k'], number: int
  ) -> int:
    """Draws a cutout of one of the objects but one of them."""
    drawn = number
    if len(objects) > 1:
      # The one's own place is that of the last, which is not drawn.
      drawn = int(objects[rng.integers(len(objects) - 1)])
      drawn = int(objects[-1]) if drawn == number else drawn
    first = int(self._library.object_first[drawn])
    return first + int(rng.integers(self._library.object_count[drawn]))

  def scene(self, rng: np.random.Generator, number: int) -> int:
    """Draws a photograph that does not show an object already."""
    home = int(self._library.object_home[number])
    count = len(self._library.photograph_size)
    if home < 0:
      return int(rng.integers(count))
    drawn = int(rng.integers(count - 1))
    return drawn + (drawn >= home)

  def texture(self, rng: np.random.Generator) -> int:
    """Draws a photograph for a texture, of a few that stay decoded."""
    count = len(self._library.photograph_size)
    return int(rng.integers(min(count, _TEXTURES)))
