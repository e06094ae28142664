"""Decides which boxes to trust, given a forward and a backward tracking pass.

A target is tracked forward through some frames, and then backward from its last
box. The passes agree in a frame if their boxes overlap and both scores are
high; only then is the box in that frame trusted. A track is dropped if the
backward pass does not end where the forward pass began.

Source: forward-backward error, Kalal et al., "Forward-Backward Error: Automatic
Detection of Tracking Failures" (ICPR 2010).
Deviation: this module compares boxes by overlap; the paper compares points by
distance.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from acm_jax.geometry import boxes

# A track is kept only if both passes agree in at least this number of its
# frames, and in at least this fraction of them.
LEAST_FRAMES, LEAST_FRACTION = 8, 1 / 3
# A target counts as still if its motion and its change of size are at most this
# fraction of its size.
_STILL = 0.3

# Outcomes of a track, as reports print them.
KEPT = 'kept'
NOT_RETURNED = 'did not return to the start'
TOO_FEW = 'agreed in too few frames'
STILL = 'stood still'


class Passes(NamedTuple):
  """Results of the forward and the backward pass, for n targets in t frames.

  Attributes:
    box_xywh: Boxes of the forward pass (index 0) and of the backward pass
      (index 1), px, 0-based; frames are in the order of the video.
    score: Scores of the boxes, in the same order. The score is 1 where a pass
      starts (forward in the first frame, backward in the last), because the box
      is given there.
  """

  box_xywh: Float[np.ndarray, '2 t n 4']
  score: Float[np.ndarray, '2 t n']


def agreed(
  passes: Passes, overlap: float, score: float
) -> Bool[np.ndarray, 't n']:
  """Returns whether both passes agree, for each frame and target.

  In the last frame, the result is False, because the backward pass starts there
  from the box of the forward pass.

  Args:
    passes: Results of both passes.
    overlap: Minimum IoU of the boxes of both passes.
    score: Threshold that both scores must exceed.
  """
  forward, backward = boxes.xywh_to_xyxy(passes.box_xywh)
  agrees = (passes.score > score).all(axis=0)
  agrees &= boxes.iou(forward, backward) >= overlap
  agrees[-1] = False
  return agrees


def labels(passes: Passes) -> Float[np.ndarray, 't n 4']:
  """Averages each target's forward and backward box in each frame, px."""
  return passes.box_xywh.mean(axis=0, dtype=np.float32)


def outcome(
  box_xywh: Float[np.ndarray, 't 4'], agrees: Bool[np.ndarray, 't']
) -> str:
  """Returns the outcome of a track: `KEPT`, or the reason to drop the track.

  The reason is one of the texts `NOT_RETURNED`, `TOO_FEW` and `STILL`. If the
  reason is `STILL`, the caller decides whether to keep the track nevertheless.

  Args:
    box_xywh: Boxes of one target, px.
    agrees: Whether both passes agree, for each frame.
  """
  if not agrees[0]:
    return NOT_RETURNED
  if agrees.sum() < max(LEAST_FRAMES, LEAST_FRACTION * len(agrees)):
    return TOO_FEW
  return STILL if stands_still(box_xywh[agrees]) else KEPT


def stands_still(box_xywh: Float[np.ndarray, 't 4']) -> bool:
  """Returns whether a target stays close to its first location and size."""
  box_cxcywh = boxes.xyxy_to_cxcywh(boxes.xywh_to_xyxy(box_xywh))
  center, size = box_cxcywh[:, :2], box_cxcywh[:, 2:]
  moved = np.linalg.norm(center - center[0], axis=1) / np.sqrt(size[0].prod())
  grown = np.abs(np.log(size / size[0])).max(axis=1)
  return bool((np.maximum(moved, grown) <= _STILL).all())
