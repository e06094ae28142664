"""The batch contract between the data sources and the trackers."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt32


class RawBatch(NamedTuple):
  """Training pairs as the host delivers them: decoded and cropped only.

  Each image is the centre of a context crop of the target (RGB). It is larger
  than the tracker's input (usually 127 and 255 px) by the margin that shift and
  scale augmentation can reach. The device augments, cuts and labels the images.
  The arrays are NumPy's, or JAX's once they are on a device.

  Attributes:
    template: Crop around the target in the template frame.
    search: Crop around the target in the search frame; in a negative pair, the
      target of another track or another data set.
    template_box: Box of the target in `template`, cx, cy, w, h, px of the crop.
    search_box: Box of the target in `search`, cx, cy, w, h, px of the crop.
    positive: Whether both crops show the same target.
    sample_id: Data set number and track number of the template, for messages.
  """

  template: UInt8[np.ndarray, 'b ht ht 3']
  search: UInt8[np.ndarray, 'b hs hs 3']
  template_box: Float[np.ndarray, 'b 4']
  search_box: Float[np.ndarray, 'b 4']
  positive: Bool[np.ndarray, 'b']
  sample_id: UInt32[np.ndarray, 'b 2']


class Order(NamedTuple):
  """Assignment of consecutive pairs to steps and processes.

  Attributes:
    batch_size: Number of pairs in a step, over all processes.
    offset: Position in the step of the first pair that this process reads.
    count: Number of pairs that this process reads in a step.
  """

  batch_size: int
  offset: int
  count: int

  def pairs(self, step: int) -> range:
    """Returns the numbers of the pairs that this process reads for a step."""
    start = step * self.batch_size + self.offset
    return range(start, start + self.count)


def fake(
  batch_size: int,
  template_side: int = 137,
  search_side: int = 431,
  seed: int = 0,
) -> RawBatch:
  """Returns a random batch of valid shapes, for tests and shape checks.

  Args:
    batch_size: Number of pairs.
    template_side: Side of the template images, px.
    search_side: Side of the search images, px.
    seed: Random seed.
  """
  rng = np.random.default_rng(seed)

  def image(side):
    return rng.integers(0, 256, (batch_size, side, side, 3), dtype=np.uint8)

  def box(side):
    size = rng.uniform(30, 90, (batch_size, 2))
    center = np.full((batch_size, 2), (side - 1) / 2)
    return np.concatenate([center, size], axis=1).astype(np.float32)

  return RawBatch(
    template=image(template_side),
    search=image(search_side),
    template_box=box(template_side),
    search_box=box(search_side),
    positive=np.arange(batch_size) % 5 != 4,
    sample_id=np.stack(
      [np.zeros(batch_size), np.arange(batch_size)], axis=1
    ).astype(np.uint32),
  )
