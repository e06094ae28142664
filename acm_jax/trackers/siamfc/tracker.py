"""SiamFC as a `Tracker`: its targets, loss and selection."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp

from acm_jax import losses
from acm_jax.geometry import grid
from acm_jax.modules import backbone as backbones
from acm_jax.modules import fusion as fusions
from acm_jax.trackers.siamfc import select, targets
from acm_jax.trackers.siamfc.network import SiamFcNetwork
from acm_jax.tracking.contract import (
  Candidates,
  Found,
  Outputs,
  Targets,
  Tracker,
)
from acm_jax.tracking.select import margin


@dataclasses.dataclass(frozen=True)
class SiamFc(Tracker):
  """Fully convolutional Siamese network: the place of the best match.

  The size of the target follows from the scale of the search crop that matches
  best; its aspect stays.

  Source: Bertinetto et al., 2016 (arXiv:1606.09549).
  """

  # Its penalty is that of one step of the scale, of 2% to 5%.
  hparam_spans: ClassVar[Mapping[str, tuple[float, float]]] = {
    'penalty_k': (0.0, 0.1),
    'window_influence': (0.0, 0.5),
    'size_lr': (0.2, 1.0),
  }

  def preprocess(self, rgb):
    """RGB in 0..255, neither mean nor variance removed."""
    return rgb

  def targets(self, batch, rng):
    search_size = batch.search.shape[1]
    size = self.network.response_size(search_size)
    points = grid.points(size, self.stride) + search_size // 2

    def one(box, positive):
      return targets.dense_targets(points, box[:2], positive)

    return jax.vmap(one)(batch.search_box, batch.positive)

  def loss(self, outputs, targets: Targets):
    cls = losses.weighted_logistic(
      outputs.cls[..., 0], targets.cls, targets.cls_weight
    )
    return cls, {'cls': cls}

  def decode(self, outputs: Outputs):
    """Every box has half the template's side, as a square target has."""
    score = jax.nn.sigmoid(outputs.cls[..., 0])
    points = grid.points(score.shape[-1], self.stride)
    sides = jnp.full(points.shape, self.template_size / 2)
    box_cxcywh = jnp.concatenate([points, sides], axis=-1)
    return Candidates(box_cxcywh=box_cxcywh, score=score)

  def select(self, outputs, state, hparams, scale):
    index, offset, response = select.place(
      outputs.cls[..., 0], hparams, self.search_scales
    )
    chosen = jnp.array(self.search_scales)[index]
    # Pixels of the frame for one of the search crop.
    pixel = chosen / scale
    size = state.size * (1 + hparams.size_lr * (chosen - 1))
    score = jax.nn.sigmoid(response)
    scores = jax.nn.sigmoid(outputs.cls[index, ..., 0])
    points = jnp.asarray(grid.points(scores.shape[-1], self.stride))
    in_crop = jnp.concatenate([offset * self.stride, state.size / pixel])
    return Found(
      box_cxcywh=jnp.concatenate(
        [state.center + offset * self.stride * pixel, size]
      ),
      score=score,
      margin=margin(points, scores, in_crop, score),
    )


def make(
  *,
  template_size: int = 127,
  search_size: int = 255,
  context_amount: float = 0.5,
  search_scales: tuple[float, ...] = (1 / 1.0375, 1.0, 1.0375),
  backbone: str = 'alexnet_v1',
  levels: tuple[int, ...] = (5,),
  width: float = 1.0,
  fusion: str = 'xcorr',
  fusion_options: dict[str, bool] | None = None,
) -> SiamFc:
  """Builds SiamFC.

  Args:
    template_size: Side of the template crop, px.
    search_size: Side of the search crop, px.
    context_amount: Margin of the crops.
    search_scales: Sides of the search crops over the usual one.
    backbone: Name of the backbone.
    levels: The one of its levels that is fused.
    width: Factor on the backbone's channels.
    fusion: Name of the fusion; see `modules.fusion`.
    fusion_options: Its further arguments.

  Raises:
    ValueError: A name is unknown, there is not one level, or no scale is 1.
  """
  options = fusion_options or {}
  if len(levels) != 1:
    raise ValueError(f'siamfc fuses one level, not levels={tuple(levels)}')
  if 1 not in search_scales:
    raise ValueError(f'search_scales={tuple(search_scales)} must hold 1')
  if not fusions.get(fusion).has_head:
    raise ValueError(f"fusion {fusion!r} with one output is 'xcorr'")
  # Flax would meet a wrong name or option only when the network first runs.
  fusions.make(fusion, 1, 1, **options)
  return SiamFc(
    SiamFcNetwork(
      backbones.make(backbone, levels=tuple(levels), width=width),
      template_size,
      fusion,
      tuple(sorted(options.items())),
    ),
    template_size,
    search_size,
    context_amount,
    search_scales=tuple(search_scales),
    pixel_shift=0.5,
  )
