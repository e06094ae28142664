"""MobileNetV2 with dilated last stages, as modified for Siamese trackers.

There are three differences from the ImageNet network. Convolutions of stride 2
have no padding. From layer 3 on, the total stride stays 8, because dilation
replaces the later strides. Layer 1 has a 1x1 expansion, like the other layers.

Source: MobileNetV2 (arXiv:1801.04381), table 2; SiamRPN++ (arXiv:1812.11703)
for its use in a tracker.
"""

from typing import NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules.backbone import Backbone, run_block, stop_while_frozen
from acm_jax.modules.layers import ConvBn, DepthwiseBn, normal_fan_out
from acm_jax.modules.mode import Mode


class _Layer(NamedTuple):
  """A sequence of inverted residuals with the same output channels.

  Attributes:
    expansion: Ratio of inner to input channels.
    features: Output channels at width 1.
    blocks: Number of inverted residuals.
    stride: Stride of the first block.
    first_dilation: Dilation of the first block.
    dilation: Dilation of the other blocks.
  """

  expansion: int
  features: int
  blocks: int
  stride: int
  first_dilation: int
  dilation: int


_STEM = 32
_LAYERS = (
  _Layer(1, 16, 1, 1, 1, 1),
  _Layer(6, 24, 2, 2, 1, 1),
  _Layer(6, 32, 3, 2, 1, 1),
  _Layer(6, 64, 4, 1, 1, 2),
  _Layer(6, 96, 3, 1, 2, 2),
  _Layer(6, 160, 3, 1, 2, 4),
  _Layer(6, 320, 1, 1, 4, 4),
)


class InvertedResidual(nn.Module):
  """1x1 expansion, depthwise 3x3 convolution and 1x1 projection.

  The input is added to the output if the stride is 1 and the shapes are equal.

  Attributes:
    features: Output channels.
    expansion: Ratio of inner to input channels.
    stride: Stride of the 3x3 convolution; if 2, the convolution has no padding.
    dilation: Dilation of the 3x3 convolution.
  """

  features: int
  expansion: int
  stride: int = 1
  dilation: int = 1

  @property
  def padding(self) -> int:
    """Number of zeros at each edge, for the 3x3 convolution."""
    return self.dilation if self.stride == 1 else 0

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b h h c'], *, train: bool
  ) -> Float[Array, 'b y y f']:
    inner = x.shape[-1] * self.expansion

    def conv(features, name):
      return ConvBn(features, kernel_init=normal_fan_out, name=name)

    y = nn.relu6(conv(inner, 'expand')(x, train=train))
    depthwise = DepthwiseBn(3, self.stride, self.padding, self.dilation)
    nn.share_scope(self, depthwise)
    y = nn.relu6(depthwise(y, train=train))
    y = conv(self.features, 'project')(y, train=train)
    return x + y if y.shape == x.shape and self.stride == 1 else y


class MobileNetV2(Backbone):
  """Dilated MobileNetV2. Its levels are layers 3 to 7, all with stride 8."""

  @nn.compact
  def __call__(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    stem = ConvBn(
      self.channels(_STEM), 3, 2, kernel_init=normal_fan_out, name='stem'
    )
    x = nn.relu6(stem(image, train=mode.trains(stem.path)))
    outputs, layers = [], [stem]
    x = stop_while_frozen(x, layers, mode)
    for stage in range(1, max(self.levels) + 1):
      for block in range(_LAYERS[stage - 1].blocks):
        layer = self._block(stage, block)
        x = run_block(layer, x, mode)
        layers.append(layer)
        x = stop_while_frozen(x, layers, mode)
      if stage in self.levels:
        outputs.append(x)
    return tuple(outputs)

  def _block(self, stage: int, block: int) -> InvertedResidual:
    layer, first = _LAYERS[stage - 1], block == 0
    return InvertedResidual(
      self.channels(layer.features),
      layer.expansion,
      stride=layer.stride if first else 1,
      dilation=layer.first_dilation if first else layer.dilation,
      name=f'layer{stage}_{block}',
    )

  def cells(self, size: int) -> int:
    for stride in (2, *(layer.stride for layer in _LAYERS)):
      if stride == 2:
        size = (size - 3) // 2 + 1
    return size

  def features(self, level: int) -> int:
    return self.channels(_LAYERS[level - 1].features)

  def channels(self, features: int) -> int:
    """Returns `features` * `width`, rounded down as in pysot, at least 1."""
    return max(1, int(features * self.width))


def mobilenet_v2(
  levels: tuple[int, ...] = (3, 5, 7), width: float = 1.0
) -> MobileNetV2:
  """Builds the light backbone of SiamRPN++, which uses `width` 1.4.

  Raises:
    ValueError: There is no level, or a level is not among layers 3 to 7.
  """
  if not set(levels) <= {3, 4, 5, 6, 7} or not levels:
    raise ValueError(
      f'`levels`={tuple(levels)}: mobilenet_v2 has levels 3 to 7; choose one '
      'or more'
    )
  return MobileNetV2(levels=tuple(sorted(levels)), width=width)
