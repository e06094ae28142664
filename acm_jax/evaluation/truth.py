"""What a benchmark says of a sequence."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from acm_jax.datasets.layouts.vot import region_box
from acm_jax.datasets.sequences import Sequence as Sequence_


@dataclasses.dataclass(frozen=True, eq=False)
class Truth:
  """Where the target of one sequence is.

  Attributes:
    region: Each frame's x, y, w, h, px, in the benchmark's own pixel base, or
      the corners x1, y1, x2, y2, ... of a polygon; NaN, or without area, where
      there is no target. An array [n, 4] where all are boxes.
    absent: Frames that the benchmark labels as being without the target; none
      by default.
    size: Width and height of the images, px, if known; if not, regions are not
      cut at the right and at the bottom.
    attributes: What makes it hard, in the benchmark's words, if that is said.
    first_pixel: Coordinate of the first pixel in `region`.
    anchors: Frames that trackers are started at and the step from there, 1
      forward and -1 backward; empty where the benchmark has none.
  """

  region: Float[np.ndarray, 'n 4'] | Sequence[np.ndarray]
  absent: Bool[np.ndarray, 'n'] | None = None
  size: tuple[int, int] | None = None
  attributes: tuple[str, ...] = ()
  first_pixel: int = 0
  anchors: Mapping[int, int] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    if self.absent is None:
      object.__setattr__(self, 'absent', np.zeros(self.frames, bool))

  @property
  def frames(self) -> int:
    """How many there are."""
    return len(self.region)

  @classmethod
  def of(cls, sequence: Sequence_) -> 'Truth':
    """Makes the truth that the layout of a sequence has, 0-based."""
    return cls(sequence.box_xywh, sequence.absent)

  def region_at(self, frame: int) -> np.ndarray:
    """The region in a frame, px, 0-based."""
    region = np.array(self.region[frame], np.float64)
    region[: 2 if len(region) == 4 else None] -= self.first_pixel
    return region

  @property
  def box_xywh(self) -> Float[np.ndarray, 'n 4']:
    """The boxes, in the pixel base of `region`; of polygons the outer ones."""
    if isinstance(self.region, np.ndarray):
      return self.region
    return np.stack([region_box(region) for region in self.region])

  @property
  def there(self) -> Bool[np.ndarray, 'n']:
    """Frames with a target, as far as regions tell."""
    return np.array(
      [len(r) > 1 and bool(np.isfinite(r).all()) for r in self.region]
    )

  @property
  def bounds(self) -> tuple[int, int]:
    """The size, or one that no region reaches."""
    return self.size or (1 << 20, 1 << 20)
