"""Boxes as `xywh`, `xyxy` or `cxcywh`, for both NumPy and JAX arrays.

The pixel convention: x points right and y down, in pixels; the centre of the
first pixel is 0. A box `xywh` covers the pixels x .. x + w - 1. Readers of
files convert 1-based coordinates to this convention; only scoring uses the
coordinates of a benchmark's files unchanged, as the official toolkits do (see
`evaluation.truth`). Conversions between formats treat coordinates as
continuous (`xyxy` = x, y, x + w, y + h). `pixel_center` is the centre of a
box's *pixels*, x + (w - 1) / 2: official trackers start from this centre, and
the precision score measures the distance between two such centres.

The last axis of a box array holds the four numbers; any leading axes are
allowed.
"""

from jaxtyping import Num


def xywh_to_xyxy(box_xywh: Num[object, '*b 4']):
  """Converts x, y, width, height to corners (x1, y1, x2, y2)."""
  xp = box_xywh.__array_namespace__()
  corner, size = box_xywh[..., :2], box_xywh[..., 2:]
  return xp.concat([corner, corner + size], axis=-1)


def xyxy_to_cxcywh(box_xyxy: Num[object, '*b 4']):
  """Converts corners to centre, width, height (cx, cy, w, h)."""
  xp = box_xyxy.__array_namespace__()
  low, high = box_xyxy[..., :2], box_xyxy[..., 2:]
  return xp.concat([(low + high) / 2, high - low], axis=-1)


def cxcywh_to_xyxy(box_cxcywh: Num[object, '*b 4']):
  """Converts centre, width, height to corners (x1, y1, x2, y2)."""
  xp = box_cxcywh.__array_namespace__()
  center, half = box_cxcywh[..., :2], box_cxcywh[..., 2:] / 2
  return xp.concat([center - half, center + half], axis=-1)


def cxcywh_to_xywh(box_cxcywh: Num[object, '*b 4']):
  """Converts centre, width, height to top-left corner, width, height."""
  xp = box_cxcywh.__array_namespace__()
  center, size = box_cxcywh[..., :2], box_cxcywh[..., 2:]
  return xp.concat([center - size / 2, size], axis=-1)


def pixel_center(box_xywh: Num[object, '*b 4']):
  """Returns the centre of the pixels that a box covers: x + (w - 1) / 2."""
  return box_xywh[..., :2] + (box_xywh[..., 2:] - 1) / 2


def iou(a_xyxy: Num[object, '*#b 4'], b_xyxy: Num[object, '*#b 4']):
  """Computes the intersection over union of pairs of boxes.

  Args:
    a_xyxy: Boxes; a box with swapped corners counts as empty.
    b_xyxy: Boxes in a shape that broadcasts against `a_xyxy`.

  Returns:
    IoU in [0, 1], 0 where the union is empty. The shape is that of the
    broadcast boxes without the last axis.
  """
  xp = a_xyxy.__array_namespace__()
  low = xp.maximum(a_xyxy[..., :2], b_xyxy[..., :2])
  high = xp.minimum(a_xyxy[..., 2:], b_xyxy[..., 2:])
  inter = xp.prod(xp.maximum(high - low, 0), axis=-1)
  union = area(a_xyxy) + area(b_xyxy) - inter
  return xp.where(union > 0, inter / xp.where(union > 0, union, 1), 0)


def area(box_xyxy: Num[object, '*b 4']):
  """Computes the area in square pixels, 0 for a box with swapped corners."""
  xp = box_xyxy.__array_namespace__()
  return xp.prod(xp.maximum(box_xyxy[..., 2:] - box_xyxy[..., :2], 0), axis=-1)


def clip(box_xyxy: Num[object, '*b 4'], size_hw: tuple[int, int]):
  """Clips boxes to an image of height and width `size_hw`, in pixels."""
  xp = box_xyxy.__array_namespace__()
  h, w = size_hw
  limit = xp.asarray([w, h, w, h], dtype=box_xyxy.dtype)
  return xp.clip(box_xyxy, 0, limit)
