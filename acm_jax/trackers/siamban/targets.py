"""Label maps of SiamBAN: two ellipses around the target's centre."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from acm_jax.geometry import boxes
from acm_jax.trackers.siamese import Targets


def dense_targets(
  points: Float[np.ndarray, 'h w 2'],
  box_cxcywh: Float[Array, '4'],
  positive: Bool[Array, ''],
) -> Targets:
  """Computes the label map of one sample. Labelled locations have weight 1.

  Locations are positive inside the ellipse with semi-axes w/4 and h/4, negative
  outside the ellipse with semi-axes w/2 and h/2, and ignored in between. In a
  negative pair, the inner ellipse is background and all other locations are
  ignored.

  Args:
    points: Locations of the map's cells, px of the search crop.
    box_cxcywh: Box of the target, px of the search crop.
    positive: Whether both crops show the same target.

  Returns:
    Targets without the batch axis; `loc` holds the distances left, top, right,
    bottom in px.

  Source: SiamBAN (arXiv:2003.06761), section 3.3.
  """
  center, size = box_cxcywh[:2], box_cxcywh[2:]
  # A box without extent would cause a division by zero.
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
