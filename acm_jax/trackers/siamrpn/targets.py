"""Label maps of SiamRPN: classes of anchors and offsets to the target."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from acm_jax.geometry import boxes
from acm_jax.trackers.siamese import Targets

# An anchor is positive if its IoU with the target is above POSITIVE_IOU, and
# negative if its IoU is below NEGATIVE_IOU.
POSITIVE_IOU = 0.6
NEGATIVE_IOU = 0.3
# In a negative pair, cells are background up to this distance from the target's
# cell, in cells along each axis.
NEGATIVE_REACH = 3


def dense_targets(
  anchors: Float[np.ndarray, 'h w k 4'],
  box_cxcywh: Float[Array, '4'],
  positive: Bool[Array, ''],
) -> Targets:
  """Computes the label map of one sample. All labelled anchors have weight 1.

  In a negative pair, the anchors of the cells around the target are background
  and all other anchors are ignored.

  Args:
    anchors: Anchors cx, cy, w, h, px of the search crop.
    box_cxcywh: Box of the target, px of the search crop.
    positive: Whether both crops show the same target.

  Returns:
    Targets without the batch axis. `loc` holds dx, dy, dw, dh. dx and dy are
    the offset from the anchor's centre to the target's centre, divided by the
    anchor's width and height. dw is log(target's width / anchor's width), and
    dh is the same for the heights.

  Source: SiamRPN (CVPR 2018), section 4.2; SiamRPN++'s released code.
  """
  # A box without extent would have an infinite logarithm.
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
  """Marks the anchors within `NEGATIVE_REACH` cells of the target's cell.

  As in the released code, the target's cell is one row below and one column to
  the right of the cell nearest to `center`.
  """
  first = anchors[0, 0, 0, :2]
  stride = anchors[0, 1, 0, 0] - first[0]
  cell = jnp.ceil((center - first) / stride + 0.5)
  x, y = np.arange(anchors.shape[1]), np.arange(anchors.shape[0])
  near_x = jnp.abs(x - cell[0]) <= NEGATIVE_REACH
  near_y = jnp.abs(y - cell[1]) <= NEGATIVE_REACH
  near = near_y[:, None, None] & near_x[None, :, None]
  return jnp.broadcast_to(near, anchors.shape[:3])
