"""SiamBAN as a `Tracker`: its targets, loss and their inverse."""

import dataclasses

import jax
import jax.numpy as jnp

from acm_jax import losses
from acm_jax.geometry import boxes, grid
from acm_jax.modules import backbone as backbones
from acm_jax.modules import fusion as fusions
from acm_jax.trackers.siamban import targets
from acm_jax.trackers.siamban.network import SiamBanNetwork
from acm_jax.tracking import select
from acm_jax.tracking.contract import Candidates, Outputs, Targets, Tracker

STRIDE = 8


@dataclasses.dataclass(frozen=True)
class SiamBan(Tracker):
  """Box Adaptive Network: class and distances to the box at every point.

  Source: Chen et al., CVPR 2020 (arXiv:2003.06761).
  """

  def preprocess(self, rgb):
    """BGR in 0..255, neither mean nor variance removed."""
    return rgb[..., ::-1]

  def targets(self, batch, rng):
    size = self.response_size(batch.search.shape[1])
    center = batch.search.shape[1] // 2
    points = grid.points(size, STRIDE) + center

    def one(box, positive, key):
      dense = targets.dense_targets(points, box, positive)
      return targets.subsample(dense, positive, key)

    keys = jax.random.split(rng, batch.positive.shape[0])
    return jax.vmap(one)(batch.search_box, batch.positive, keys)

  def response_size(self, search_size: int) -> int:
    """Cells a side of the output for a search crop of `search_size` px."""
    cells = self.network.backbone.cells(search_size)
    # The adapters take the same from both sides.
    return grid.response_size(cells, self.network.template_cells)

  def loss(self, outputs, targets: Targets):
    cls = losses.balanced_nll(outputs.cls, targets.cls, targets.cls_weight)
    loc = losses.linear_iou(outputs.loc, targets.loc, targets.loc_weight)
    return cls + loc, {'cls': cls, 'loc': loc}

  def decode(self, outputs: Outputs):
    points = grid.points(outputs.loc.shape[-2], STRIDE)
    loc = outputs.loc
    box_xyxy = jnp.concatenate(
      [points - loc[..., :2], points + loc[..., 2:]], axis=-1
    )
    return Candidates(
      box_cxcywh=boxes.xyxy_to_cxcywh(box_xyxy),
      score=jax.nn.softmax(outputs.cls)[..., 1],
    )

  def select(self, outputs, state, hparams):
    side = select.template_side(state.size, self.context_amount)
    return select.select(
      self.decode(outputs), state, hparams, self.template_size / side
    )


def make(
  *,
  backbone: str = 'resnet50',
  levels: tuple[int, ...] = (2, 3, 4),
  width: float = 1.0,
  neck: bool = True,
  hidden: int = 256,
  fusion: str = 'dw_xcorr',
  fusion_options: dict[str, bool] | None = None,
  head_size: int = 1,
  template_size: int = 127,
  search_size: int = 255,
  context_amount: float = 0.5,
) -> SiamBan:
  """Builds SiamBAN.

  Args:
    backbone: Name of the backbone.
    levels: Its levels that are fused.
    width: Factor on the backbone's channels.
    neck: Whether a neck brings the levels to `hidden` channels.
    hidden: Channels of the neck, the fusion and the head.
    fusion: Name of the fusion; see `modules.fusion`.
    fusion_options: Its further arguments.
    head_size: Cells a side of the head's kernels; 3 in the released ACM head.
    template_size: Side of the template crop, px.
    search_size: Side of the search crop, px.
    context_amount: Margin of the crops.

  Raises:
    ValueError: A name is unknown, or a level is not the backbone's.
  """
  options = fusion_options or {}
  # Flax would meet a wrong name or option only when the network first runs.
  fusions.make(fusion, hidden, 1, **options)
  network = SiamBanNetwork(
    backbone=backbones.make(backbone, levels=tuple(levels), width=width),
    template_size=template_size,
    fusion=fusion,
    fusion_options=tuple(sorted(options.items())),
    head_size=head_size,
    hidden=hidden,
    has_neck=neck,
  )
  return SiamBan(network, template_size, search_size, context_amount)
