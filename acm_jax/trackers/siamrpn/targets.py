"""Label maps of SiamRPN: anchors that overlap the target, offsets from them."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from acm_jax.geometry import boxes
from acm_jax.tracking.contract import Targets

# An anchor that overlaps the target by more is positive, by less negative.
POSITIVE_IOU = 0.6
NEGATIVE_IOU = 0.3
# Cells each way round the target that a negative pair calls background.
NEGATIVE_REACH = 3


def dense_targets(
  anchors: Float[np.ndarray, 'h w k 4'],
  box_cxcywh: Float[Array, '4'],
  positive: Bool[Array, ''],
) -> Targets:
  """The label map of one sample with every anchor that has a label.

  In a negative pair the anchors of the cells round the target's place are
  background, and nothing else counts.

  Args:
    anchors: Boxes cx, cy, w, h, px of the search crop.
    box_cxcywh: The target, px of the search crop.
    positive: Whether the pair shows the same target.

  Returns:
    Targets without the batch axis. `loc`: dx, dy in widths and heights of the
    anchor, log of the ratios of width and height.

  Source: SiamRPN (CVPR 2018), section 4.2; SiamRPN++'s released code.
  """
  # A box without extent has no logarithm.
  box_cxcywh = jnp.maximum(box_cxcywh, jnp.array([-jnp.inf] * 2 + [1e-3] * 2))
  target = boxes.cxcywh_to_xyxy(box_cxcywh)[None, None, None]
  corners = boxes.cxcywh_to_xyxy(jnp.asarray(anchors))
  overlap = boxes.iou(corners, target)
  is_target = overlap > POSITIVE_IOU
  center, size = anchors[..., :2], anchors[..., 2:]
  offset = (box_cxcywh[:2][None, None, None] - center) / size
  ratio = jnp.log(box_cxcywh[2:][None, None, None] / size)
  near = _near(anchors, box_cxcywh[:2])
  counts = jnp.where(positive, is_target | (overlap < NEGATIVE_IOU), near)
  cls = is_target & positive
  loc = jnp.concatenate([offset, ratio], axis=-1)
  return Targets(
    cls=cls.astype(jnp.int32),
    loc=jnp.where(positive, loc, 0.0),
    cls_weight=counts.astype(jnp.float32),
    loc_weight=cls.astype(jnp.float32),
  )


def _near(anchors, center) -> Bool[Array, 'h w k']:
  """The anchors of the cells round the one after the target's centre."""
  first = anchors[0, 0, 0, :2]
  stride = anchors[0, 1, 0, 0] - first[0]
  cell = jnp.ceil((center - first) / stride + 0.5)
  x, y = np.arange(anchors.shape[1]), np.arange(anchors.shape[0])
  near_x = jnp.abs(x - cell[0]) <= NEGATIVE_REACH
  near_y = jnp.abs(y - cell[1]) <= NEGATIVE_REACH
  near = near_y[:, None, None] & near_x[None, :, None]
  return jnp.broadcast_to(near, anchors.shape[:3])
