"""Label maps of SiamBAN: two ellipses round the target's centre."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from acm_jax.geometry import boxes
from acm_jax.tracking.contract import Targets


def dense_targets(
  points: Float[np.ndarray, 'h w 2'],
  box_cxcywh: Float[Array, '4'],
  positive: Bool[Array, ''],
) -> Targets:
  """The label map of one sample with every place that has a label.

  Inside the ellipse with axes w/4, h/4 a place is positive, outside the one
  with axes w/2, h/2 negative, between them ignored. In a negative pair the
  inner ellipse is background and nothing else counts.

  Args:
    points: Places of the map, px of the search crop.
    box_cxcywh: The target, px of the search crop.
    positive: Whether the pair shows the same target.

  Returns:
    Targets without the batch axis. `loc`: distances left, top, right, bottom.

  Source: SiamBAN (arXiv:2003.06761), section 3.3.
  """
  center, size = box_cxcywh[:2], box_cxcywh[2:]
  # The box must have an extent, or the ellipse has no inside or outside.
  size = jnp.maximum(size, 1e-3)
  offset = (points - center[None, None]) / size[None, None]
  radius = jnp.sum(offset**2, axis=-1)
  inner = radius < 1 / 16
  outer = radius > 1 / 4
  box = boxes.cxcywh_to_xyxy(box_cxcywh)[None, None]
  loc = jnp.concatenate([points - box[..., :2], box[..., 2:] - points], axis=-1)
  cls = inner & positive
  counts = jnp.where(positive, inner | outer, inner)
  return Targets(
    cls=cls.astype(jnp.int32),
    loc=jnp.where(positive, loc, 0.0),
    cls_weight=counts.astype(jnp.float32),
    loc_weight=cls.astype(jnp.float32),
  )
