"""SiamRPN as a `Tracker`: its targets, loss and their inverse."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from acm_jax import losses
from acm_jax.geometry import grid
from acm_jax.trackers.siamese import make_network, subsample
from acm_jax.trackers.siamrpn import targets
from acm_jax.trackers.siamrpn.network import SiamRpnNetwork
from acm_jax.tracking import select
from acm_jax.tracking.contract import Candidates, Outputs, Targets, Tracker


@dataclasses.dataclass(frozen=True)
class SiamRpn(Tracker):
  """Region proposal network: class and offsets of the anchors of every cell.

  Attributes:
    scales: Sides of the anchors, in strides.
    ratios: Heights over widths of the anchors.
    loc_share: Weight of the localisation's loss.

  Source: Li et al., CVPR 2018; SiamRPN++ (arXiv:1812.11703).
  """

  scales: tuple[float, ...] = (8.0,)
  ratios: tuple[float, ...] = (0.33, 0.5, 1.0, 2.0, 3.0)
  loc_share: float = 1.2

  def preprocess(self, rgb):
    """BGR in 0..255, neither mean nor variance removed."""
    return rgb[..., ::-1]

  def targets(self, batch, rng):
    search_size = batch.search.shape[1]
    size = self.network.response_size(search_size)
    anchors = self._anchors(size)
    anchors[..., :2] += search_size // 2

    def one(box, positive, key):
      dense = targets.dense_targets(anchors, box, positive)
      return subsample(dense, positive, key)

    keys = jax.random.split(rng, batch.positive.shape[0])
    kept = jax.vmap(one)(batch.search_box, batch.positive, keys)
    # Every sample weighs the same, however many of its anchors count.
    count = jnp.sum(kept.loc_weight, axis=(1, 2, 3), keepdims=True)
    return kept.replace(loc_weight=kept.loc_weight / (count + 1e-6))

  def loss(self, outputs, targets: Targets):
    cls = losses.balanced_nll(outputs.cls, targets.cls, targets.cls_weight)
    loc = losses.weighted_l1(outputs.loc, targets.loc, targets.loc_weight)
    return cls + self.loc_share * loc, {'cls': cls, 'loc': loc}

  def decode(self, outputs: Outputs):
    anchors, offsets = self._anchors(outputs.loc.shape[-3]), outputs.loc
    center, size = anchors[..., :2], anchors[..., 2:]
    box_cxcywh = jnp.concatenate(
      [offsets[..., :2] * size + center, jnp.exp(offsets[..., 2:]) * size],
      axis=-1,
    )
    score = jax.nn.softmax(outputs.cls)[..., 1]
    return Candidates(box_cxcywh=box_cxcywh, score=score)

  def select(self, outputs, state, hparams, scale):
    return select.select(self.decode(outputs[0]), state, hparams, scale)

  def _anchors(self, size: int) -> Float[np.ndarray, 'r r k 4']:
    """Boxes of every cell, relative to the centre of the crop."""
    shapes = grid.anchors(self.stride, self.scales, self.ratios)
    points = grid.points(size, self.stride)[:, :, None]
    places = np.broadcast_to(points, (size, size, len(shapes), 2))
    sides = np.broadcast_to(shapes, places.shape)
    return np.concatenate([places, sides], axis=-1)


def make(
  *,
  template_size: int = 127,
  search_size: int = 255,
  context_amount: float = 0.5,
  anchor_scales: tuple[float, ...] = (8.0,),
  anchor_ratios: tuple[float, ...] = (0.33, 0.5, 1.0, 2.0, 3.0),
  loc_share: float = 1.2,
  **network,
) -> SiamRpn:
  """Builds SiamRPN, or SiamRPN++ by its defaults.

  Args:
    template_size: Side of the template crop, px.
    search_size: Side of the search crop, px.
    context_amount: Margin of the crops.
    anchor_scales: Sides of the anchors, in strides.
    anchor_ratios: Heights over widths of the anchors.
    loc_share: Weight of the localisation's loss.
    network: Arguments of `trackers.siamese.make_network`.

  Raises:
    ValueError: A name is unknown, or a level is not the backbone's.
  """
  count = len(anchor_scales) * len(anchor_ratios)
  return SiamRpn(
    make_network(
      SiamRpnNetwork, template_size, outputs=(2 * count, 4 * count), **network
    ),
    template_size,
    search_size,
    context_amount,
    scales=tuple(anchor_scales),
    ratios=tuple(anchor_ratios),
    loc_share=loc_share,
  )
