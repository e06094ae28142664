"""Which pictures take which part in a composed sequence."""

import numpy as np
from jaxtyping import Int

from data_pipelines.composed.library import Library

# Slim targets are the rarest and the hardest to be told the size of.
SLIM = 2.5
_SLIM_WEIGHT = 3.0


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
    self, rng: np.random.Generator, number: int, first: int, frames: int
  ) -> Int[np.ndarray, 't']:
    """Draws the cutouts that show an object in each frame.

    Args:
      rng: Source of randomness.
      number: The object.
      first: Its cutout in the first frame.
      frames: How many.
    """
    count = int(self._library.object_count[number])
    if count == 1:
      return np.full(frames, first)
    begin = int(self._library.object_first[number])
    # Forth and back through its video, about once.
    speed = rng.choice([-1, 1]) * rng.uniform(0.3, 1.0)
    place = first - begin + speed * np.arange(frames)
    last = count - 1
    return begin + np.rint(last - abs(place % (2 * last) - last)).astype(int)

  def any(self, rng: np.random.Generator) -> tuple[int, int]:
    """Draws an object and a cutout of it."""
    return self._shown(rng, int(rng.integers(len(self._category))))

  def like(self, rng: np.random.Generator, number: int) -> tuple[int, int]:
    """Draws another object of an object's class, or of any if it is alone."""
    kind = self._category[number]
    low, high = int(self._bound[kind]), int(self._bound[kind + 1])
    kin = self._order[low:high]
    if high - low < 2:
      kin = np.arange(len(self._category))
    if len(kin) < 2:
      return self._shown(rng, number)
    # The object's own place is that of the last, which is not drawn.
    drawn = int(kin[rng.integers(len(kin) - 1)])
    return self._shown(rng, int(kin[-1]) if drawn == number else drawn)

  def scene(self, rng: np.random.Generator, number: int) -> int:
    """Draws a photograph that does not show an object already."""
    home = int(self._library.object_home[number])
    count = len(self._library.photograph_size)
    if home < 0:
      return int(rng.integers(count))
    drawn = int(rng.integers(count - 1))
    return drawn + (drawn >= home)

  def photograph(self, rng: np.random.Generator) -> int:
    """Draws a photograph."""
    return int(rng.integers(len(self._library.photograph_size)))

  def _shown(self, rng: np.random.Generator, number: int) -> tuple[int, int]:
    first = int(self._library.object_first[number])
    count = int(self._library.object_count[number])
    return number, first + int(rng.integers(count))
