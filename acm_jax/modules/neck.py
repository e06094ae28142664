"""Neck, which maps the levels of a backbone to the channels of the heads."""

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules.layers import ConvBn


def center_crop(
  features: Float[Array, 'b h h c'], cells: int
) -> Float[Array, 'b n n c']:
  """Crops the central `cells` x `cells` cells; leaves smaller maps unchanged.

  The outer cells of a template's features are affected by padding and show
  context; the central cells show the target.
  """
  start = max(0, (features.shape[1] - cells) // 2)
  return features[:, start : start + cells, start : start + cells]


class Neck(nn.Module):
  """One 1x1 convolution with batch norm per level.

  Attributes:
    features: Output channels of each level.
    levels: Numbers of the levels, used in the names of the parameters.

  Source: SiamRPN++ (arXiv:1812.11703), section 3.4.
  """

  features: tuple[int, ...]
  levels: tuple[int, ...]

  @nn.compact
  def __call__(
    self, features: tuple[Float[Array, 'b y y _'], ...], *, train: bool
  ) -> tuple[Float[Array, 'b y y f'], ...]:
    return tuple(
      ConvBn(width, name=f'level{level}')(x, train=train)
      for level, width, x in zip(
        self.levels, self.features, features, strict=True
      )
    )
