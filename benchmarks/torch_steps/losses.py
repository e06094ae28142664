"""Losses of the official code.

`label` is 1 for the target and 0 for background. `mask` is 1 for the locations
and anchors that are sampled, and 0 for all others.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def of_distances(
  cls: Tensor, loc: Tensor, label: Tensor, distances: Tensor, mask: Tensor
) -> Tensor:
  """Computes the loss of SiamBAN.

  Args:
    cls: Logits [b 2 r r].
    loc: Predicted distances from each location to the left, top, right and
      bottom side of the box [b 4 r r], px.
    label: Labels [b r r].
    distances: True distances, in the form of `loc`.
    mask: Sampled locations [b r r].
  """
  intersection = _area(torch.minimum(loc, distances))
  union = _area(loc) + _area(distances) - intersection
  iou = (intersection + 1) / (union + 1)
  return _balanced(cls, label, mask) + _mean(1 - iou, mask * (label == 1))


def of_offsets(
  cls: Tensor,
  loc: Tensor,
  label: Tensor,
  offsets: Tensor,
  mask: Tensor,
  weight: Tensor,
) -> Tensor:
  """Computes the loss of SiamRPN.

  Args:
    cls: Logits [b 2k r r] of k anchors.
    loc: Predicted offsets from each anchor to the box [b 4k r r].
    label: Labels [b k r r].
    offsets: True offsets [b 4 k r r].
    mask: Sampled anchors [b k r r].
    weight: Weights of the offsets [b k r r].
  """
  batch, *rest = label.shape
  cls = cls.reshape(batch, 2, *rest)
  distance = (loc.reshape(batch, 4, *rest) - offsets).abs().sum(1)
  boxes = (distance * weight).sum() / batch
  return _balanced(cls, label, mask) + 1.2 * boxes


def of_response(response: Tensor, label: Tensor, weight: Tensor) -> Tensor:
  """Computes the loss of SiamFC.

  Args:
    response: Logits [b 1 r r].
    label: Labels [b r r], of a floating type.
    weight: Weights of the locations [b r r].
  """
  return F.binary_cross_entropy_with_logits(response[:, 0], label, weight)


def _balanced(cls, label, mask):
  """Averages the mean losses of the target and of the background."""
  nll = F.cross_entropy(cls, label, reduction='none')
  positive, negative = mask * (label == 1), mask * (label == 0)
  return (_mean(nll, positive) + _mean(nll, negative)) / 2


def _area(ltrb):
  left, top, right, bottom = ltrb.unbind(1)
  return (left + right) * (top + bottom)


def _mean(values, weight):
  return (values * weight).sum() / weight.sum().clamp(min=1)
