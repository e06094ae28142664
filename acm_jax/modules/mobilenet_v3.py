"""MobileNetV3-Small up to its ninth block, with stride 16.

The ninth block is the last one of this network and has stride 1. In the
ImageNet network, the ninth block has stride 2.

Source: MobileNetV3 (arXiv:1905.02244), table 2; the released NanoTrackV3 for
its use in a tracker.
"""

from typing import ClassVar, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules.backbone import Backbone, run_block, stop_while_frozen
from acm_jax.modules.layers import ConvBn, DepthwiseBn, normal_fan_out
from acm_jax.modules.mode import Mode


class _Block(NamedTuple):
  """Settings of an inverted residual.

  Attributes:
    size: Width and height of the depthwise kernel.
    expansion: Ratio of inner to input channels; if 1, the block has no
      expansion layer.
    features: Output channels at width 1.
    attends: Whether squeeze-and-excite follows the depthwise convolution.
    hard_swish: Whether the activation is hard-swish; otherwise it is ReLU.
    stride: Stride of the depthwise convolution.
  """

  size: int
  expansion: float | int
  features: int
  attends: bool
  hard_swish: bool
  stride: int = 1


_STEM = 16
_BLOCKS = (
  _Block(3, 1, 16, True, False, 2),
  _Block(3, 4.5, 24, False, False, 2),
  _Block(3, 3.67, 24, False, False),
  _Block(5, 4, 40, True, True, 2),
  _Block(5, 6, 40, True, True),
  _Block(5, 6, 40, True, True),
  _Block(5, 3, 48, True, True),
  _Block(5, 3, 48, True, True),
  _Block(5, 6, 96, True, True),
)
# First block that can be a level; from this block on, the total stride is 16.
_FIRST_LEVEL = 4


def _multiple_of_8(channels: float | int) -> int:
  return max(8, int(channels + 4) // 8 * 8)


class SqueezeExcite(nn.Module):
  """Multiplies each channel by a weight computed from all channels' means.

  Source: Squeeze-and-Excitation (arXiv:1709.01507), with the hard sigmoid of
  MobileNetV3.
  """

  @nn.compact
  def __call__(self, x: Float[Array, 'b h w c']) -> Float[Array, 'b h w c']:
    features = x.shape[-1]
    means = jnp.mean(x, axis=(1, 2))
    inner = nn.relu(
      nn.Dense(_multiple_of_8(features // 4), name='dense0')(means)
    )
    weight = nn.hard_sigmoid(nn.Dense(features, name='dense1')(inner))
    return x * weight[:, None, None]


class InvertedResidual(nn.Module):
  """Expansion, depthwise convolution and projection.

  The input is added to the output if the stride is 1 and the shapes are equal.

  Attributes:
    block: Settings of the block.
    features: Output channels.
  """

  block: _Block
  features: int

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b h h c'], *, train: bool
  ) -> Float[Array, 'b y y f']:
    block, inputs = self.block, x.shape[-1]
    inner = _multiple_of_8(inputs * block.expansion)
    activate = nn.hard_swish if block.hard_swish else nn.relu
    # Blocks without an expansion layer activate before squeeze-and-excite; all
    # other blocks activate after squeeze-and-excite.
    expands = inner != inputs

    def conv(features, name):
      return ConvBn(features, kernel_init=normal_fan_out, name=name)

    y = activate(conv(inner, 'expand')(x, train=train)) if expands else x
    depthwise = DepthwiseBn(block.size, block.stride, block.size // 2)
    nn.share_scope(self, depthwise)
    y = depthwise(y, train=train)
    y = y if expands else activate(y)
    y = SqueezeExcite(name='squeeze_excite')(y) if block.attends else y
    y = activate(y) if expands else y
    y = conv(self.features, 'project')(y, train=train)
    return x + y if y.shape == x.shape and block.stride == 1 else y


class MobileNetV3Small(Backbone):
  """MobileNetV3-Small with stride 16. Its levels are blocks 4 to 9."""

  stride: ClassVar[int] = 16

  @nn.compact
  def __call__(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    stem = ConvBn(
      self.channels(_STEM),
      3,
      stride=2,
      padding=1,
      kernel_init=normal_fan_out,
      name='stem',
    )
    x = nn.hard_swish(stem(image, train=mode.trains(stem.path)))
    outputs, layers = [], [stem]
    x = stop_while_frozen(x, layers, mode)
    for stage in range(1, max(self.levels) + 1):
      residual = InvertedResidual(
        _BLOCKS[stage - 1], self.features(stage), name=f'block{stage}'
      )
      x = run_block(residual, x, mode)
      layers.append(residual)
      x = stop_while_frozen(x, layers, mode)
      if stage in self.levels:
        outputs.append(x)
    return tuple(outputs)

  def cells(self, size: int) -> int:
    for stride in (2, *(block.stride for block in _BLOCKS)):
      size = (size - 1) // stride + 1
    return size

  def features(self, level: int) -> int:
    return self.channels(_BLOCKS[level - 1].features)

  def channels(self, features: int) -> int:
    """Returns `features` * `width`, rounded to a multiple of 8, at least 8."""
    return _multiple_of_8(features * self.width)


def mobilenet_v3_small(
  levels: tuple[int, ...] = (9,), width: float = 1.0
) -> MobileNetV3Small:
  """Builds the backbone of NanoTrackV3.

  Raises:
    ValueError: There is no level, or a level is not among blocks 4 to 9.
  """
  known = range(_FIRST_LEVEL, len(_BLOCKS) + 1)
  if not set(levels) <= set(known) or not levels:
    raise ValueError(
      f'`levels`={tuple(levels)}: mobilenet_v3_small has levels {known[0]} to '
      f'{known[-1]}; choose one or more'
    )
  return MobileNetV3Small(levels=tuple(sorted(levels)), width=width)
