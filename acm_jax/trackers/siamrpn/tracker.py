"""SiamRPN as a `Tracker`: targets, loss and decoding."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from acm_jax import losses
from acm_jax.geometry import grid
from acm_jax.trackers.siamese import (
  Outputs,
  Targets,
  make_network,
  subsample,
  to_bgr,
)
from acm_jax.trackers.siamrpn import targets
from acm_jax.trackers.siamrpn.network import SiamRpnNetwork
from acm_jax.tracking import select
from acm_jax.tracking.contract import Candidates, Tracker


@dataclasses.dataclass(frozen=True)
class SiamRpn(Tracker):
  """Region proposal network, which predicts class and offsets of anchors.

  Attributes:
    scales: Sizes of the anchors, as multiples of the stride.
    ratios: Heights of the anchors divided by their widths.
    loc_factor: Weight of the localisation loss.

  Source: Li et al., CVPR 2018; SiamRPN++ (arXiv:1812.11703).
  """

  scales: tuple[float, ...] = (8.0,)
  ratios: tuple[float, ...] = (0.33, 0.5, 1.0, 2.0, 3.0)
  loc_factor: float = 1.2

  def preprocess(self, rgb):
    """Converts RGB to BGR in 0..255, without normalisation."""
    return to_bgr(rgb)

  def targets(self, batch, rng):
    search_size = batch.search.shape[1]
    size = self.network.response_size(search_size)
    anchors = self._anchors(size)
    anchors[..., :2] += search_size // 2

    def sample_targets(box, positive, key):
      dense = targets.dense_targets(anchors, box, positive)
      return subsample(dense, positive, key)

    keys = jax.random.split(rng, batch.positive.shape[0])
    kept = jax.vmap(sample_targets)(batch.search_box, batch.positive, keys)
    # All samples have the same weight, independent of their number of positive
    # anchors.
    count = jnp.sum(kept.loc_weight, axis=(1, 2, 3), keepdims=True)
    return kept.replace(loc_weight=kept.loc_weight / (count + 1e-6))

  def loss(self, outputs, targets: Targets):
    cls = losses.balanced_nll(outputs.cls, targets.cls, targets.cls_weight)
    loc = losses.weighted_l1(outputs.loc, targets.loc, targets.loc_weight)
    return cls + self.loc_factor * loc, {'cls': cls, 'loc': loc}

  def label_map(self, targets: Targets):
    # A location is positive if any of its anchors is positive.
    labels = jnp.where(targets.cls_weight > 0, targets.cls, -1)
    return jnp.max(labels, axis=-1)

  def decode(self, outputs: Outputs) -> Candidates:
    """Decodes the outputs of one sample to boxes and scores."""
    anchors, offsets = self._anchors(outputs.loc.shape[-3]), outputs.loc
    center, size = anchors[..., :2], anchors[..., 2:]
    box_cxcywh = jnp.concatenate(
      [offsets[..., :2] * size + center, jnp.exp(offsets[..., 2:]) * size],
      axis=-1,
    )
    score = jax.nn.softmax(outputs.cls)[..., 1]
    return Candidates(box_cxcywh=box_cxcywh, score=score)

  def score_map(self, outputs: Outputs):
    # The best of the anchors at each location.
    return jnp.max(self.decode(outputs[0]).score, axis=-1)

  def select(self, outputs, state, hparams, scale):
    return select.select(self.decode(outputs[0]), state, hparams, scale)

  def _anchors(self, size: int) -> Float[np.ndarray, 'r r k 4']:
    """Returns the anchors cx, cy, w, h of all cells, px.

    cx and cy are relative to the centre of the search crop.
    """
    shapes = grid.anchors(self.stride, self.scales, self.ratios)
    points = grid.points(size, self.stride)[:, :, None]
    centers = np.broadcast_to(points, (size, size, len(shapes), 2))
    sides = np.broadcast_to(shapes, centers.shape)
    return np.concatenate([centers, sides], axis=-1)


def make(
  *,
  template_size: int = 127,
  search_size: int = 255,
  context_amount: float = 0.5,
  smallest_side: float = 10.0,
  anchor_scales: tuple[float, ...] = (8.0,),
  anchor_ratios: tuple[float, ...] = (0.33, 0.5, 1.0, 2.0, 3.0),
  loc_factor: float = 1.2,
  **network,
) -> SiamRpn:
  """Builds SiamRPN; the default arguments build SiamRPN++.

  Args:
    template_size: Side of the template crop, px.
    search_size: Side of the search crop, px.
    context_amount: Length added to the target's width and height for context,
      as a fraction of their sum.
    smallest_side: Lower limit of the width and height of tracked boxes, px.
    anchor_scales: Sizes of the anchors, as multiples of the stride.
    anchor_ratios: Heights of the anchors divided by their widths.
    loc_factor: Weight of the localisation loss.
    **network: Arguments of `trackers.siamese.make_network`.

  Raises:
    ValueError: An argument or a name is unknown, or arguments of the network do
      not fit each other.
  """
  count = len(anchor_scales) * len(anchor_ratios)
  kind = functools.partial(SiamRpnNetwork, outputs=(2 * count, 4 * count))
  return SiamRpn(
    network=make_network(kind, template_size, **network),
    template_size=template_size,
    search_size=search_size,
    context_amount=context_amount,
    smallest_side=smallest_side,
    scales=tuple(anchor_scales),
    ratios=tuple(anchor_ratios),
    loc_factor=loc_factor,
  )
