"""Network, outputs, targets and sampling shared by SiamRPN and SiamBAN."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from acm_jax.modules import backbone as backbones
from acm_jax.modules import branch as branches
from acm_jax.modules import fusion as fusions
from acm_jax.modules import plain
from acm_jax.modules.siamese import SiameseNetwork
from acm_jax.tracking.struct import struct

# Per sample, at most POSITIVES positive locations and at most TOTAL locations
# count in the loss.
POSITIVES = 16
TOTAL = 64


@struct
class Outputs:
  """Predictions for search crops.

  Attributes:
    cls: Logits (background, target).
    loc: Box of the target in the parametrisation of the tracker.
  """

  cls: Float[Array, '*cells 2']
  loc: Float[Array, '*cells 4']

  def __getitem__(self, index) -> 'Outputs':
    """Selects samples along the batch axis."""
    return jax.tree.map(lambda x: x[index], self)


@struct
class Targets:
  """Ground truth for search crops.

  Attributes:
    cls: Class of each location (1 target, 0 background).
    loc: Box of the target in the parametrisation of the tracker.
    cls_weight: Weight of the classification; 0 for ignored locations.
    loc_weight: Weight of the box; 0 except at positive locations.
  """

  cls: Int[Array, '*cells']
  loc: Float[Array, '*cells 4']
  cls_weight: Float[Array, '*cells']
  loc_weight: Float[Array, '*cells']


def to_bgr(rgb: Float[Array, '*b h w 3']) -> Float[Array, '*b h w 3']:
  """Converts images from RGB to BGR."""
  if not plain.selected():
    return rgb[..., ::-1]
  # Other runtimes copy whole planes much faster than every third number.
  planes = jnp.moveaxis(rgb, -1, -3)
  return jnp.moveaxis(planes[..., ::-1, :, :], -3, -1)


def make_network(
  kind: Callable[..., SiameseNetwork],
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
  **unknown,
) -> SiameseNetwork:
  """Builds the network of SiamRPN or SiamBAN.

  Args:
    kind: Class of the network; takes the attributes of `SiameseNetwork`.
    template_size: Side of the template crop, px.
    backbone: Name of the backbone.
    levels: Levels of the backbone that are fused.
    width: Factor that multiplies the backbone's channels.
    neck: Whether a neck maps the levels to `hidden` channels.
    hidden: Channels of neck, fusion and head: one number for all levels, or one
      per level.
    fusion: Name of the fusion; see `modules.fusion`.
    fusion_options: Further arguments of the fusion.
    head_size: Width and height of the head's kernels (default: the fusion's
      `head_size`).
    weighted: Whether learned weights mix the outputs of the levels; otherwise
      the outputs are averaged.
    **unknown: Refused.

  Raises:
    ValueError: An argument or a name is unknown, the backbone lacks one of the
      levels, `hidden` does not have one number per level, `head_size` is not
      odd, or the response has a single channel.
  """
  if unknown:
    raise ValueError(
      f'the network has no argument {", ".join(unknown)}; '
      '`trackers.siamese.make_network` lists all arguments'
    )
  options, levels = fusion_options or {}, tuple(levels)
  hidden = (hidden,) * len(levels) if isinstance(hidden, int) else tuple(hidden)
  if len(hidden) != len(levels):
    raise ValueError(
      f'`hidden`={hidden}: give one number for all levels or one number per '
      f'level of `levels`={levels}'
    )
  built = fusions.make(fusion, hidden[0], 4, **options)
  if built.has_head and built.out_features == 1:
    raise ValueError(
      f'`fusion`={fusion!r}: has a single output channel, which fits only '
      'siamfc; choose another fusion'
    )
  head_size = built.head_size if head_size is None else head_size
  if head_size < 1 or head_size % 2 == 0:
    raise ValueError(
      f'`head_size`={head_size}: give an odd number above 0, so that the '
      'head keeps the size of the response map'
    )
  network = kind(
    backbone=backbones.make(backbone, levels=levels, width=width),
    template_size=template_size,
    fusion=fusion,
    fusion_options=tuple(sorted(options.items())),
    head_size=head_size,
    hidden=hidden,
    has_neck=neck,
    weighted=weighted,
  )
  # Without this check, an unsuitable fusion fails only when the network runs.
  for channels in set(hidden):
    branches.check(fusion, channels, network.template_cells, options)
  return network


def subsample(
  dense: Targets, positive: Bool[Array, ''], rng: jax.Array
) -> Targets:
  """Chooses at random which locations of a sample count in the loss.

  A positive pair keeps at most 16 positive and 48 negative locations. A
  negative pair keeps at most 16 negative locations. `loc_weight` is 1 for the
  positive locations that are kept.

  Args:
    dense: Targets of one sample, in which all labelled locations count.
    positive: Whether both crops show the same target.
    rng: Key for the random choice.
  """
  positive_key, negative_key = jax.random.split(rng)
  counts = dense.cls_weight > 0
  is_target = dense.cls == 1
  negatives = jnp.where(positive, TOTAL - POSITIVES, POSITIVES)
  kept_positive = _draw(positive_key, counts & is_target, POSITIVES)
  kept_negative = _draw(negative_key, counts & ~is_target, negatives)
  return dense.replace(
    cls_weight=(kept_positive | kept_negative).astype(jnp.float32),
    loc_weight=kept_positive.astype(jnp.float32),
  )


def _draw(
  key, candidates: Bool[Array, '*cells'], most
) -> Bool[Array, '*cells']:
  """Returns the mask of a random subset of at most `most` candidates."""
  lottery = jax.random.uniform(key, candidates.shape)
  lottery = jnp.where(candidates, lottery, 2.0)
  order = jnp.argsort(jnp.argsort(lottery.ravel())).reshape(candidates.shape)
  return candidates & (order < most)
