"""Ground truth of a sequence."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from acm_jax.datasets.layouts.vot import region_box
from acm_jax.datasets.sequences import Sequence as Sequence_


@dataclasses.dataclass(frozen=True, eq=False)
class Truth:
  """Ground truth of one sequence.

  Attributes:
    region: Region of the target in each frame: x, y, w, h, or the corners x1,
      y1, x2, y2, ... of a polygon; px, in the coordinates of the benchmark (see
      `first_pixel`). In frames without a target, the region is NaN or has no
      area. If all regions are boxes, `region` is an array [n, 4]; otherwise, it
      is a sequence with one array per frame.
    absent: For each frame, whether the benchmark labels the target as absent
      (default: False in all frames).
    size: Width and height of the images, px. If None, regions are not clipped
      at the right and bottom borders.
    attributes: Attributes of the sequence, such as occlusion, as the benchmark
      names them; empty if not annotated.
    first_pixel: Coordinate that `region` gives to the first pixel of an image,
      0 or 1.
    anchors: Dictionary from anchors to directions of tracking, 1 forward or -1
      backward. An anchor is the index of a frame in which trackers are started.
      The dictionary is empty if the benchmark has no anchors.
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
    """Number of frames."""
    return len(self.region)

  @classmethod
  def of(cls, sequence: Sequence_) -> 'Truth':
    """Creates the ground truth of a sequence, in 0-based coordinates."""
    return cls(sequence.box_xywh, sequence.absent)

  def region_at(self, frame: int) -> np.ndarray:
    """Returns the region in a frame, px, in 0-based coordinates."""
    region = np.array(self.region[frame], np.float64)
    region[: 2 if len(region) == 4 else None] -= self.first_pixel
    return region

  @property
  def box_xywh(self) -> Float[np.ndarray, 'n 4']:
    """Bounding box of each frame's region, px, coordinates as in `region`."""
    if isinstance(self.region, np.ndarray):
      return self.region
    return np.stack([region_box(region) for region in self.region])

  @property
  def visible(self) -> Bool[np.ndarray, 'n']:
    """Whether each frame has a finite region; absence labels have no effect."""
    return np.array(
      [len(r) > 1 and bool(np.isfinite(r).all()) for r in self.region]
    )

  @property
  def bounds(self) -> tuple[int, int]:
    """Width and height of the images, px; larger than any region if unknown."""
    return self.size or (1 << 20, 1 << 20)
