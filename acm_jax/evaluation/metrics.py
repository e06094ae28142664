"""One-pass metrics as functions of boxes; what counts is the protocol's."""

import numpy as np
from jaxtyping import Float

from acm_jax.geometry import boxes

OVERLAP_THRESHOLDS = np.arange(21) / 20
DISTANCE_THRESHOLDS = np.arange(51.0)
NORMALIZED_THRESHOLDS = np.arange(51) / 100


def overlaps(
  predicted_xywh: Float[np.ndarray, 'n 4'], true_xywh: Float[np.ndarray, 'n 4']
) -> Float[np.ndarray, 'n']:
  """IoU of each pair; 0 where a box has no area or is NaN."""
  iou = boxes.iou(
    boxes.xywh_to_xyxy(predicted_xywh), boxes.xywh_to_xyxy(true_xywh)
  )
  # Rounding may exceed 1, which no threshold of the curve is meant to count.
  return np.minimum(iou, 1.0)


def center_distances(
  predicted_xywh: Float[np.ndarray, 'n 4'], true_xywh: Float[np.ndarray, 'n 4']
) -> Float[np.ndarray, 'n']:
  """Distance of the pixel centres in px; NaN where a box is NaN."""
  offset = boxes.pixel_center(predicted_xywh) - boxes.pixel_center(true_xywh)
  return np.hypot(offset[:, 0], offset[:, 1])


def normalized_distances(
  predicted_xywh: Float[np.ndarray, 'n 4'],
  true_xywh: Float[np.ndarray, 'n 4'],
  least_side: float = -np.inf,
) -> Float[np.ndarray, 'n']:
  """Distance of the centres, each axis in units of the true box's side.

  NaN or infinite where the true box has no area.

  Args:
    predicted_xywh: The result, px.
    true_xywh: The annotation, px.
    least_side: What a shorter side counts as, px.
  """
  offset = boxes.pixel_center(predicted_xywh) - boxes.pixel_center(true_xywh)
  with np.errstate(divide='ignore', invalid='ignore'):
    offset = offset / np.maximum(true_xywh[:, 2:], least_side)
  return np.hypot(offset[:, 0], offset[:, 1])


def success_curve(
  overlap: Float[np.ndarray, 'n'], frames: int
) -> Float[np.ndarray, '21']:
  """Share of `frames` whose overlap is above 0, 0.05, ... 1, strictly.

  A perfect result gets 20 / 21 on average, for nothing is above 1.
  """
  ordered = np.sort(overlap)
  below = np.searchsorted(ordered, OVERLAP_THRESHOLDS, side='right')
  return (len(overlap) - below) / frames


def precision_curve(
  distance: Float[np.ndarray, 'n'], frames: int
) -> Float[np.ndarray, '51']:
  """Share of `frames` whose distance is at most 0, 1, ... 50 px."""
  return share_within(distance, DISTANCE_THRESHOLDS, frames)


def normalized_precision_curve(
  distance: Float[np.ndarray, 'n'], frames: int
) -> Float[np.ndarray, '51']:
  """Share of `frames` with a normalised distance of at most 0, 0.01, ... 0.5.

  Source: Müller et al., TrackingNet (arXiv:1803.10794).
  """
  return share_within(distance, NORMALIZED_THRESHOLDS, frames)


def average_overlap(overlap: Float[np.ndarray, 'n']) -> float:
  """Mean overlap; NaN of no frames.

  Source: Huang et al., GOT-10k (arXiv:1810.11981).
  """
  return float(np.mean(overlap)) if len(overlap) else float('nan')


def success_rate(overlap: Float[np.ndarray, 'n'], threshold: float) -> float:
  """Share of frames whose overlap is above `threshold`; NaN of no frames."""
  return average_overlap((overlap > threshold).astype(float))


def share_within(
  values: Float[np.ndarray, 'n'],
  thresholds: Float[np.ndarray, 't'],
  frames: int,
) -> Float[np.ndarray, 't']:
  """Share of `frames` whose value is at most each threshold; NaN is not."""
  # NaN is sorted to the end, beyond every threshold.
  ordered = np.sort(values)
  return np.searchsorted(ordered, thresholds, side='right') / frames


def share_from(
  values: Float[np.ndarray, 'n'],
  thresholds: Float[np.ndarray, 't'],
  frames: int,
) -> Float[np.ndarray, 't']:
  """Share of `frames` whose value is at least each threshold."""
  return share_within(-values, -thresholds, frames)
