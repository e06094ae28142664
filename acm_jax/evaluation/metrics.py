"""Metrics of boxes in the one-pass experiment.

The functions in `evaluation.toolkits` choose the frames that are measured.
"""

import numpy as np
from jaxtyping import Float

from acm_jax.geometry import boxes

OVERLAP_THRESHOLDS = np.arange(21) / 20
DISTANCE_THRESHOLDS = np.arange(51.0)
NORMALIZED_THRESHOLDS = np.arange(51) / 100


def overlaps(
  predicted_xywh: Float[np.ndarray, 'n 4'], true_xywh: Float[np.ndarray, 'n 4']
) -> Float[np.ndarray, 'n']:
  """Returns the IoU of each pair of boxes; 0 if a box has no area or is NaN."""
  iou = boxes.iou(
    boxes.xywh_to_xyxy(predicted_xywh), boxes.xywh_to_xyxy(true_xywh)
  )
  # A rounding error may raise the IoU above 1, which would exceed the threshold
  # of 1.
  return np.minimum(iou, 1.0)


def center_distances(
  predicted_xywh: Float[np.ndarray, 'n 4'], true_xywh: Float[np.ndarray, 'n 4']
) -> Float[np.ndarray, 'n']:
  """Returns the centre distance of each pair, px; NaN if a box is NaN."""
  offset = boxes.pixel_center(predicted_xywh) - boxes.pixel_center(true_xywh)
  return np.hypot(offset[:, 0], offset[:, 1])


def normalized_distances(
  predicted_xywh: Float[np.ndarray, 'n 4'],
  true_xywh: Float[np.ndarray, 'n 4'],
  least_side: float = -np.inf,
) -> Float[np.ndarray, 'n']:
  """Returns centre distances in units of the true box's width and height.

  The x offset is divided by the width, and the y offset by the height. The
  distance is NaN or infinite where the divisor is 0.

  Args:
    predicted_xywh: Boxes of the result, px.
    true_xywh: Annotated boxes, px.
    least_side: Lower bound of the divisors, px; smaller sides are raised to it.
  """
  offset = boxes.pixel_center(predicted_xywh) - boxes.pixel_center(true_xywh)
  with np.errstate(divide='ignore', invalid='ignore'):
    offset = offset / np.maximum(true_xywh[:, 2:], least_side)
  return np.hypot(offset[:, 0], offset[:, 1])


def success_curve(
  overlap: Float[np.ndarray, 'n'], frames: int
) -> Float[np.ndarray, '21']:
  """Returns the fraction of frames with an overlap above 0, 0.05, ... 1.

  The comparison is strict and no overlap is above 1, so the mean of the curve
  is 20 / 21 for a perfect result.

  Args:
    overlap: Overlaps in frames. Frames that are misses in any case may be left
      out.
    frames: Number of frames to divide by. It includes the frames that `overlap`
      leaves out, which count as misses.
  """
  ordered = np.sort(overlap)
  below = np.searchsorted(ordered, OVERLAP_THRESHOLDS, side='right')
  return (len(overlap) - below) / frames


def precision_curve(
  distance: Float[np.ndarray, 'n'], frames: int
) -> Float[np.ndarray, '51']:
  """Returns the fraction of frames with a distance of at most 0, 1, ... 50 px.

  Args:
    distance: Centre distances, px.
    frames: Number of frames to divide by.
  """
  return fraction_at_most(distance, DISTANCE_THRESHOLDS, frames)


def normalized_precision_curve(
  distance: Float[np.ndarray, 'n'], frames: int
) -> Float[np.ndarray, '51']:
  """Returns the fraction of frames with a distance of at most 0, 0.01, ... 0.5.

  Args:
    distance: Centre distances in units of the true box's width and height.
    frames: Number of frames to divide by.

  Source: Müller et al., TrackingNet (arXiv:1803.10794).
  """
  return fraction_at_most(distance, NORMALIZED_THRESHOLDS, frames)


def average_overlap(overlap: Float[np.ndarray, 'n']) -> float:
  """Returns the mean overlap; NaN if `overlap` is empty.

  Source: Huang et al., GOT-10k (arXiv:1810.11981).
  """
  return float(np.mean(overlap)) if len(overlap) else float('nan')


def success_rate(overlap: Float[np.ndarray, 'n'], threshold: float) -> float:
  """Returns the fraction of overlaps above a threshold.

  The fraction is NaN if `overlap` is empty.
  """
  return average_overlap((overlap > threshold).astype(float))


def fraction_at_most(
  values: Float[np.ndarray, 'n'],
  thresholds: Float[np.ndarray, 't'],
  frames: int,
) -> Float[np.ndarray, 't']:
  """Counts the values at or below each threshold, and divides by `frames`.

  NaN counts as above every threshold.
  """
  # NumPy sorts NaN to the end.
  ordered = np.sort(values)
  return np.searchsorted(ordered, thresholds, side='right') / frames


def fraction_at_least(
  values: Float[np.ndarray, 'n'],
  thresholds: Float[np.ndarray, 't'],
  frames: int,
) -> Float[np.ndarray, 't']:
  """Counts the values at or above each threshold, and divides by `frames`.

  NaN counts as below every threshold.
  """
  return fraction_at_most(-values, -thresholds, frames)
