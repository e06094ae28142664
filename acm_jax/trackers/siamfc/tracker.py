"""SiamFC as a `Tracker`: targets, loss and selection."""

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
from acm_jax.tracking.contract import Found, Tracker
from acm_jax.tracking.select import margin


@dataclasses.dataclass(frozen=True)
class SiamFc(Tracker):
  """Fully convolutional Siamese network, which predicts locations only.

  The size of the target follows the scale of the best search crop; the aspect
  ratio never changes.

  Source: Bertinetto et al., 2016 (arXiv:1606.09549).
  """

  # The span of `penalty_k` is narrow, because a step of the scale changes the
  # size by only 2% to 5%.
  hparam_spans: ClassVar[Mapping[str, tuple[float, float]]] = {
    'penalty_k': (0.0, 0.1),
    'window_influence': (0.0, 0.5),
    'size_lr': (0.2, 1.0),
  }

  def preprocess(self, rgb):
    """Returns RGB in 0..255, without normalisation."""
    return rgb

  def targets(self, batch, rng):
    search_size = batch.search.shape[1]
    size = self.network.response_size(search_size)
    points = grid.points(size, self.stride) + search_size // 2

    def sample_targets(box, positive):
      return targets.dense_targets(points, box[:2], positive)

    return jax.vmap(sample_targets)(batch.search_box, batch.positive)

  def loss(self, outputs, targets):
    cls = losses.weighted_logistic(outputs, targets.is_target, targets.weight)
    return cls, {'cls': cls}

  def label_map(self, targets):
    return targets.is_target.astype(jnp.int32)

  def score_map(self, outputs):
    return jax.nn.sigmoid(outputs[self.search_scales.index(1)])

  def select(self, outputs, state, hparams, scale):
    index, offset, response = select.locate(
      outputs, hparams, self.search_scales
    )
    chosen = jnp.array(self.search_scales)[index]
    # Pixels of the frame per pixel of the search crop.
    pixel = chosen / scale
    size = state.size * (1 + hparams.size_lr * (chosen - 1))
    score = jax.nn.sigmoid(response)
    scores = jax.nn.sigmoid(outputs[index])
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
  smallest_side: float = 0.0,
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
    context_amount: Length added to the target's width and height for context,
      as a fraction of their sum.
    smallest_side: Lower limit of the width and height of tracked boxes, px.
    search_scales: Factors that multiply the side of the search region.
    backbone: Name of the backbone.
    levels: Level of the backbone that is fused, as a tuple of one number.
    width: Factor that multiplies the backbone's channels.
    fusion: Name of the fusion; see `modules.fusion`.
    fusion_options: Further arguments of the fusion.

  Raises:
    ValueError: A name is unknown, there is not exactly one level, no scale is
      1, or SiamFC does not support the fusion.
  """
  options = fusion_options or {}
  if len(levels) != 1:
    raise ValueError(
      f'`levels`={tuple(levels)}: siamfc fuses exactly one level; give one'
    )
  if 1 not in search_scales:
    raise ValueError(f'`search_scales`={tuple(search_scales)}: must contain 1')
  if not fusions.get(fusion).has_head:
    raise ValueError(
      f'`fusion`={fusion!r}: does the same as xcorr in siamfc, which has a '
      'single output; choose xcorr'
    )
  network = SiamFcNetwork(
    backbone=backbones.make(backbone, levels=tuple(levels), width=width),
    template_size=template_size,
    fusion=fusion,
    fusion_options=tuple(sorted(options.items())),
  )
  # Without this check, an unsuitable fusion fails only when the network runs.
  features = network.backbone.features(network.backbone.levels[0])
  fusions.check(
    fusions.make(fusion, features, network.template_cells, **options)
  )
  return SiamFc(
    network=network,
    template_size=template_size,
    search_size=search_size,
    context_amount=context_amount,
    smallest_side=smallest_side,
    search_scales=tuple(search_scales),
    pixel_shift=0.5,
  )
