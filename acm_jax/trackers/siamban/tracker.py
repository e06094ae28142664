"""SiamBAN as a `Tracker`: targets, loss and decoding."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from acm_jax import losses
from acm_jax.geometry import boxes, grid
from acm_jax.trackers.siamban import targets
from acm_jax.trackers.siamban.network import SiamBanNetwork
from acm_jax.trackers.siamese import (
  Outputs,
  Targets,
  make_network,
  subsample,
  to_bgr,
)
from acm_jax.tracking import select
from acm_jax.tracking.contract import Candidates, Tracker


@dataclasses.dataclass(frozen=True)
class SiamBan(Tracker):
  """Box adaptive network, which predicts class and box at every location.

  Source: Chen et al., CVPR 2020 (arXiv:2003.06761).
  """

  def preprocess(self, rgb):
    """Converts RGB to BGR in 0..255, without normalisation."""
    return to_bgr(rgb)

  def targets(self, batch, rng):
    size = self.network.response_size(batch.search.shape[1])
    center = batch.search.shape[1] // 2
    points = grid.points(size, self.stride) + center

    def sample_targets(box, positive, key):
      dense = targets.dense_targets(points, box, positive)
      return subsample(dense, positive, key)

    keys = jax.random.split(rng, batch.positive.shape[0])
    return jax.vmap(sample_targets)(batch.search_box, batch.positive, keys)

  def loss(self, outputs, targets: Targets):
    cls = losses.balanced_nll(outputs.cls, targets.cls, targets.cls_weight)
    loc = losses.linear_iou(outputs.loc, targets.loc, targets.loc_weight)
    return cls + loc, {'cls': cls, 'loc': loc}

  def imitation(
    self,
    outputs: Outputs,
    teacher: Outputs,
    positive: Bool[Array, 'b'],
    *,
    cls: float = 1.0,
    loc: float = 1.0,
  ):
    """Computes the loss against a teacher's outputs for the same crops.

    Class maps are compared at all locations. Boxes are weighted by the
    teacher's probability of the target. In negative pairs, this probability is
    replaced by 0. Otherwise the teacher's false alarms would teach the student
    to ignore the template.

    Args:
      outputs: Outputs of the student.
      teacher: Outputs of the teacher for the same crops.
      positive: For each pair, whether both crops show the same target.
      cls: Weight of the class maps.
      loc: Weight of the boxes.

    Returns:
      The total loss, and its unweighted parts; keys are 'cls' and 'loc'.
    """
    target = jax.nn.softmax(teacher.cls)[..., 1]
    target = jnp.where(positive[:, None, None], target, 0.0)
    parts = {
      'cls': losses.balanced_divergence(outputs.cls, target),
      'loc': losses.weighted_iou(outputs.loc, teacher.loc, target),
    }
    return cls * parts['cls'] + loc * parts['loc'], parts

  def label_map(self, targets: Targets):
    return jnp.where(targets.cls_weight > 0, targets.cls, -1)

  def decode(self, outputs: Outputs) -> Candidates:
    """Decodes the outputs of one sample to boxes and scores."""
    points = grid.points(outputs.loc.shape[-2], self.stride)
    loc = outputs.loc
    box_xyxy = jnp.concatenate(
      [points - loc[..., :2], points + loc[..., 2:]], axis=-1
    )
    return Candidates(
      box_cxcywh=boxes.xyxy_to_cxcywh(box_xyxy),
      score=jax.nn.softmax(outputs.cls)[..., 1],
    )

  def score_map(self, outputs: Outputs):
    return self.decode(outputs[0]).score

  def select(self, outputs, state, hparams, scale):
    return select.select(self.decode(outputs[0]), state, hparams, scale)


def make(
  *,
  template_size: int = 127,
  search_size: int = 255,
  context_amount: float = 0.5,
  smallest_side: float = 10.0,
  **network,
) -> SiamBan:
  """Builds SiamBAN.

  Args:
    template_size: Side of the template crop, px.
    search_size: Side of the search crop, px.
    context_amount: Length added to the target's width and height for context,
      as a fraction of their sum.
    smallest_side: Lower limit of the width and height of tracked boxes, px.
    **network: Arguments of `trackers.siamese.make_network`.

  Raises:
    ValueError: An argument or a name is unknown, or arguments of the network do
      not fit each other.
  """
  return SiamBan(
    network=make_network(SiamBanNetwork, template_size, **network),
    template_size=template_size,
    search_size=search_size,
    context_amount=context_amount,
    smallest_side=smallest_side,
  )
