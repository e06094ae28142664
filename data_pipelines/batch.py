"""Training batches, in the form in which the input pipeline returns them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt32


class RawBatch(NamedTuple):
  """A batch of training pairs, decoded but not yet augmented.

  Each RGB image is the centre of a context crop, which shows a target with its
  surroundings. The images are larger than those that the trackers take (usually
  127 px for the template and 255 px for the search region), which leaves a
  margin for shift and scale augmentation. The device augments, cuts and labels
  the images. The arrays are NumPy arrays on the host and JAX arrays on a
  device.

  Attributes:
    template: Image around the target in the template frame.
    search: Image around the target in the search frame. In a negative pair, the
      image is around the target of another track.
    template_box: Box of the target in `template`: cx, cy, w, h, px.
    search_box: Box of the target in `search`: cx, cy, w, h, px.
    positive: Whether both images show the same target.
    sample_id: Index of the template's data set, and index of the template's
      track in this data set, for messages.
  """

  template: UInt8[np.ndarray, 'b ht ht 3']
  search: UInt8[np.ndarray, 'b hs hs 3']
  template_box: Float[np.ndarray, 'b 4']
  search_box: Float[np.ndarray, 'b 4']
  positive: Bool[np.ndarray, 'b']
  sample_id: UInt32[np.ndarray, 'b 2']


class Order(NamedTuple):
  """Assignment of numbered pairs to steps and to processes.

  Every step takes the next `batch_size` pairs.

  Attributes:
    batch_size: Number of pairs in a step, over all processes.
    offset: Number of pairs of a step that come before this process's pairs.
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
