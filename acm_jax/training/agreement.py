"""Which labels of a tracker to trust: those that it gives both ways.

A target is followed through some frames and back again from where it was last.
Where both ways agree, and the tracker is sure both times, its box is taken for
right; a track whose way back does not end where it began is not.

Source: forward-backward error, Kalal et al., "Forward-Backward Error: Automatic
Detection of Tracking Failures" (ICPR 2010).
Deviation: boxes are compared by overlap, where the paper compares points by
distance.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from acm_jax.geometry import boxes

# Frames below which a track is not worth keeping, and the part of all frames.
LEAST_FRAMES, LEAST_SHARE = 8, 1 / 3
# Motion and change of size, as parts of the target's size, up to which a target
# does not move.
_STILL = 0.3

KEPT = 'kept'
NOT_HOME = 'did not come home'
TOO_FEW = 'agreed on too few frames'
STILL = 'stood still'


class Passes(NamedTuple):
  """What a tracker found of n targets in t frames, there and back.

  Attributes:
    box_xywh: Boxes of the way there and of the way back, px.
    score: Scores; 1 in the frame that a way begins in.
  """

  box_xywh: Float[np.ndarray, '2 t n 4']
  score: Float[np.ndarray, '2 t n']


def agreed(
  passes: Passes, overlap: float, score: float
) -> Bool[np.ndarray, 't n']:
  """Finds the frames in which both ways agree.

  The last frame never counts: the way back begins with the box found there.

  Args:
    passes: What was found.
    overlap: Least IoU of both boxes.
    score: Score that both exceed.
  """
  there, back = boxes.xywh_to_xyxy(passes.box_xywh)
  agrees = (passes.score > score).all(axis=0)
  agrees &= boxes.iou(there, back) >= overlap
  agrees[-1] = False
  return agrees


def labels(passes: Passes) -> Float[np.ndarray, 't n 4']:
  """Gives the boxes midway between those of both ways, px."""
  return passes.box_xywh.mean(axis=0, dtype=np.float32)


def outcome(
  box_xywh: Float[np.ndarray, 't 4'], agrees: Bool[np.ndarray, 't']
) -> str:
  """Decides what becomes of a track; `STILL` is for the caller to weigh.

  Args:
    box_xywh: Labels of one target, px.
    agrees: Frames in which both ways agree.
  """
  if not agrees[0]:
    return NOT_HOME
  if agrees.sum() < max(LEAST_FRAMES, LEAST_SHARE * len(agrees)):
    return TOO_FEW
  return STILL if stands_still(box_xywh[agrees]) else KEPT


def stands_still(box_xywh: Float[np.ndarray, 't 4']) -> bool:
  """Whether a target hardly leaves its first place and size."""
  box_cxcywh = boxes.xyxy_to_cxcywh(boxes.xywh_to_xyxy(box_xywh))
  center, size = box_cxcywh[:, :2], box_cxcywh[:, 2:]
  moved = np.linalg.norm(center - center[0], axis=1) / np.sqrt(size[0].prod())
  grown = np.abs(np.log(size / size[0])).max(axis=1)
  return bool((np.maximum(moved, grown) <= _STILL).all())
