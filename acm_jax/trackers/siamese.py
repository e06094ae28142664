"""What SiamRPN and SiamBAN share: their network's arguments, their sampling."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from acm_jax.modules import backbone as backbones
from acm_jax.modules import fusion as fusions
from acm_jax.modules.siamese import SiameseNetwork
from acm_jax.tracking.contract import Targets

# Of the places of one sample, the most that count.
POSITIVES = 16
TOTAL = 64


def make_network(
  kind: type[SiameseNetwork],
  template_size: int,
  *,
  backbone: str = 'resnet50',
  levels: tuple[int, ...] = (2, 3, 4),
  width: float = 1.0,
  neck: bool = True,
  hidden: int | tuple[int, ...] = 256,
  fusion: str = 'dw_xcorr',
  fusion_options: dict[str, bool] | None = None,
  head_size: int | None = None,
  weighted: bool = True,
  **kwargs,
) -> SiameseNetwork:
  """Builds a network.

  Args:
    kind: Its class.
    template_size: Side of the template crop, px.
    backbone: Name of the backbone.
    levels: Its levels that are fused.
    width: Factor on the backbone's channels.
    neck: Whether a neck brings the levels to `hidden` channels.
    hidden: Channels of the neck, the fusion and the head; of every level, or
      of each.
    fusion: Name of the fusion; see `modules.fusion`.
    fusion_options: Its further arguments.
    head_size: Cells a side of the head's kernels; the fusion's by default.
    weighted: Whether the levels are mixed by learned weights, or averaged.
    kwargs: Attributes of `kind` alone.

  Raises:
    ValueError: A name is unknown, a level is not the backbone's, or `hidden`
      is not one number for each level.
  """
  options, levels = fusion_options or {}, tuple(levels)
  hidden = (hidden,) * len(levels) if isinstance(hidden, int) else tuple(hidden)
  if len(hidden) != len(levels):
    raise ValueError(f'hidden={hidden} is not one number for each of {levels}')
  # Flax would meet a wrong name or option only when the network first runs.
  made = fusions.make(fusion, hidden[0], 1, **options)
  if made.has_head and made.out_features == 1:
    raise ValueError(
      f"fusion {fusion!r} gives one map, which is SiamFC's alone"
    )
  return kind(
    backbone=backbones.make(backbone, levels=levels, width=width),
    template_size=template_size,
    fusion=fusion,
    fusion_options=tuple(sorted(options.items())),
    head_size=made.head_size if head_size is None else head_size,
    hidden=hidden,
    has_neck=neck,
    weighted=weighted,
    **kwargs,
  )


def subsample(
  dense: Targets, positive: Bool[Array, ''], rng: jax.Array
) -> Targets:
  """Keeps at most 16 positives and 48 negatives, drawn at random.

  Of a negative pair at most 16 places are kept. `loc_weight` is 1 at the
  positives that are kept.
  """
  positive_key, negative_key = jax.random.split(rng)
  counts = dense.cls_weight > 0
  is_target = dense.cls == 1
  room = jnp.where(positive, TOTAL - POSITIVES, POSITIVES)
  kept_positive = _draw(positive_key, counts & is_target, POSITIVES)
  kept_negative = _draw(negative_key, counts & ~is_target, room)
  return dense.replace(
    cls_weight=(kept_positive | kept_negative).astype(jnp.float32),
    loc_weight=kept_positive.astype(jnp.float32),
  )


def _draw(
  key, candidates: Bool[Array, '*cells'], most
) -> Bool[Array, '*cells']:
  """A random subset of at most `most` candidates, as a mask."""
  lottery = jax.random.uniform(key, candidates.shape)
  lottery = jnp.where(candidates, lottery, 2.0)
  order = jnp.argsort(jnp.argsort(lottery.ravel())).reshape(candidates.shape)
  return candidates & (order < most)
