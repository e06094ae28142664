"""Brings the levels of a backbone to the channels of the heads."""

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules.layers import ConvBn


def center_crop(
  features: Float[Array, 'b h h c'], cells: int
) -> Float[Array, 'b n n c']:
  """The middle `cells` x `cells` of a map, or all of a smaller one.

  Padding reaches the outer cells of a template's features and context fills
  them; the middle is the target.
  """
  start = max(0, (features.shape[1] - cells) // 2)
  return features[:, start : start + cells, start : start + cells]


class Neck(nn.Module):
  """A 1x1 convolution and batch norm for each level.

  Attributes:
    features: Output channels of each level.
    levels: Numbers of the levels, for the names of the parameters.

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
