"""Separable convolution: depthwise, then pointwise, each with batch norm."""

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules.layers import ConvBn, DepthwiseBn, normal_fan_out


class SeparableConv(nn.Module):
  """Depthwise convolution, batch norm, ReLU6, 1x1 convolution, batch norm.

  Attributes:
    features: Output channels.
    size: Width and height of the depthwise kernel.
    padding: Number of zeros at each edge.
    bias: Whether the 1x1 convolution has a bias.

  Source: MobileNetV2 (arXiv:1801.04381), without an activation at the end.
  """

  features: int
  size: int = 3
  padding: int = 1
  bias: bool = False

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b h w c'], *, train: bool
  ) -> Float[Array, 'b y x f']:
    depthwise = DepthwiseBn(self.size, padding=self.padding)
    nn.share_scope(self, depthwise)
    pointwise = ConvBn(
      self.features,
      bias=self.bias,
      kernel_init=normal_fan_out,
      name='pointwise',
    )
    return pointwise(nn.relu6(depthwise(x, train=train)), train=train)
