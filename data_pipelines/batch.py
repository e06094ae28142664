"""The batch contract: what every source gives and every tracker trains on."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt32


class RawBatch(NamedTuple):
  """Pairs as the host leaves them: decoded and cropped, nothing else.

  Both images are the centre of a context crop of the target (RGB), with the
  room round 127 and 255 px that shift and scale can reach; the device cuts,
  distorts and labels. NumPy arrays, or JAX arrays once on a device.

  Attributes:
    template: Crop round the target in the template frame.
    search: Crop round the target in the search frame; of another track, or of
      another data set, in a negative pair.
    template_box: Target in `template`, cx, cy, w, h, px of that crop.
    search_box: Target in `search`, px of that crop.
    positive: Whether both crops show the same target.
    sample_id: (data set number, track number) of the template's track, for
      messages.
  """

  template: UInt8[np.ndarray, 'b ht ht 3']
  search: UInt8[np.ndarray, 'b hs hs 3']
  template_box: Float[np.ndarray, 'b 4']
  search_box: Float[np.ndarray, 'b 4']
  positive: Bool[np.ndarray, 'b']
  sample_id: UInt32[np.ndarray, 'b 2']


class Order(NamedTuple):
  """Which pairs a batch has: step after step without a gap.

  Attributes:
    batch_size: Pairs of a step over all processes.
    offset: The first of them that this process reads.
    count: How many it reads.
  """

  batch_size: int
  offset: int
  count: int

  def pairs(self, step: int) -> range:
    """Numbers of the pairs that this process reads for a step."""
    start = step * self.batch_size + self.offset
    return range(start, start + self.count)


def fake(
  batch_size: int,
  template_room: int = 137,
  search_room: int = 431,
  seed: int = 0,
) -> RawBatch:
  """A random batch of the right shapes, for tests and shape checks."""
  rng = np.random.default_rng(seed)

  def image(side):
    return rng.integers(0, 256, (batch_size, side, side, 3), dtype=np.uint8)

  def box(side):
    size = rng.uniform(30, 90, (batch_size, 2))
    center = np.full((batch_size, 2), (side - 1) / 2)
    return np.concatenate([center, size], axis=1).astype(np.float32)

  return RawBatch(
    template=image(template_room),
    search=image(search_room),
    template_box=box(template_room),
    search_box=box(search_room),
    positive=np.arange(batch_size) % 5 != 4,
    sample_id=np.stack(
      [np.zeros(batch_size), np.arange(batch_size)], axis=1
    ).astype(np.uint32),
  )
