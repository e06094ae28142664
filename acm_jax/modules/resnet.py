"""ResNet with dilated last stages, in the layout of the Siamese trackers.

It departs from ImageNet's ResNet in three places: the first convolution has
no padding, stages 3 and 4 keep stride 8 and dilate instead, and the
downsampling convolutions of stages 2 to 4 are 3x3. Published ImageNet weights
therefore do not fit them.

Source: SiamRPN++ (arXiv:1812.11703), section 3.4.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules.backbone import Backbone, stop_while_frozen
from acm_jax.modules.layers import ConvBn, normal_fan_out
from acm_jax.modules.mode import Mode


class Residual(nn.Module):
  """Base of the residual blocks: a shortcut round a few convolutions.

  Attributes:
    features: Channels of the inner convolutions.
    stride: Of the first 3x3; 2 goes without padding.
    dilation: Of the first 3x3.
    later_dilation: Of the other blocks of the stage.
    projection: Size of the shortcut's convolution, 0 for identity.
  """

  features: int
  stride: int = 1
  dilation: int = 1
  later_dilation: int = 1
  projection: int = 0

  EXPANSION = 1

  def conv(self, features, size, relu, name, **grid):
    """A convolution of the block."""
    return ConvBn(
      features, size, relu=relu, kernel_init=normal_fan_out, name=name, **grid
    )

  @property
  def grid(self) -> dict[str, int]:
    """Stride, padding and dilation of the first 3x3."""
    return {
      'stride': self.stride,
      'padding': self.dilation if self.stride == 1 else 0,
      'dilation': self.dilation,
    }

  def shortcut(self, x, out: int, train: bool):
    """The input, with `out` channels on the block's grid."""
    if not self.projection:
      return x
    grid = self.grid if self.projection == 3 else {}
    conv = self.conv(out, self.projection, False, 'downsample', **grid)
    return conv(x, train=train)


class BasicBlock(Residual):
  """Two 3x3 convolutions; the second dilates as the rest of the stage."""

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b h h c'], *, train: bool
  ) -> Float[Array, 'b y y f']:
    later = {'padding': self.later_dilation, 'dilation': self.later_dilation}
    y = self.conv(self.features, 3, True, 'conv1', **self.grid)(x, train=train)
    y = self.conv(self.features, 3, False, 'conv2', **later)(y, train=train)
    return nn.relu(y + self.shortcut(x, self.features, train))


class Bottleneck(Residual):
  """1x1, 3x3, and 1x1 to four times the channels."""

  EXPANSION = 4

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b h h c'], *, train: bool
  ) -> Float[Array, 'b y y f']:
    out = self.features * self.EXPANSION
    y = self.conv(self.features, 1, True, 'conv1')(x, train=train)
    y = self.conv(self.features, 3, True, 'conv2', **self.grid)(y, train=train)
    y = self.conv(out, 1, False, 'conv3')(y, train=train)
    return nn.relu(y + self.shortcut(x, out, train))


class ResNet(Backbone):
  """Dilated ResNet; `levels` are stages 1 to 4, all of stride 8 from 2 on.

  Attributes:
    blocks: Number of residual blocks of each stage.
    kind: Of the blocks.
  """

  blocks: tuple[int, ...] = (3, 4, 6, 3)
  kind: type[Residual] = Bottleneck

  @nn.compact
  def __call__(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    stem = ConvBn(
      self.channels(64),
      7,
      2,
      relu=True,
      kernel_init=normal_fan_out,
      name='stem',
    )
    x = stem(image, train=mode.trains(stem.path))
    x = nn.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1)))
    outputs, layers = [], [stem]
    x = stop_while_frozen(x, layers, mode)
    for stage in range(1, max(self.levels) + 1):
      for block in range(self.blocks[stage - 1]):
        layer = self._block(stage, block)
        x = layer(x, train=mode.trains(layer.path))
        layers.append(layer)
        x = stop_while_frozen(x, layers, mode)
      if stage in self.levels:
        outputs.append(x)
    return tuple(outputs)

  def _block(self, stage: int, block: int) -> Residual:
    first = block == 0
    dilation = {1: 1, 2: 1, 3: 2, 4: 4}[stage]
    # Only where the shape changes has the first stage a projection.
    projection = 3 if stage > 1 else int(self.kind.EXPANSION > 1)
    return self.kind(
      self.channels(64) * 2 ** (stage - 1),
      stride=2 if first and stage == 2 else 1,
      # The first block of a dilated stage dilates half as far.
      dilation=max(1, dilation // 2) if first else dilation,
      later_dilation=dilation,
      projection=projection if first else 0,
      name=f'layer{stage}_{block}',
    )

  def cells(self, size: int) -> int:
    stem = (size - 7) // 2 + 1
    pooled = (stem - 1) // 2 + 1
    return (pooled - 3) // 2 + 1

  def features(self, level: int) -> int:
    return self.channels(64) * 2 ** (level - 1) * self.kind.EXPANSION


def _make(name, levels, width, blocks, kind) -> ResNet:
  if not set(levels) <= {2, 3, 4} or not levels:
    raise ValueError(f'{name} has levels 2, 3, 4, not {tuple(levels)}')
  return ResNet(tuple(sorted(levels)), width, blocks, kind)


def resnet18(levels: tuple[int, ...] = (2, 3, 4), width: float = 1.0) -> ResNet:
  """The smallest backbone of pysot's ResNets.

  Raises:
    ValueError: A level is not among stages 2 to 4.
  """
  return _make('resnet18', levels, width, (2, 2, 2, 2), BasicBlock)


def resnet34(levels: tuple[int, ...] = (2, 3, 4), width: float = 1.0) -> ResNet:
  """ResNet-18 with more blocks.

  Raises:
    ValueError: A level is not among stages 2 to 4.
  """
  return _make('resnet34', levels, width, (3, 4, 6, 3), BasicBlock)


def resnet50(levels: tuple[int, ...] = (2, 3, 4), width: float = 1.0) -> ResNet:
  """The backbone of SiamRPN++ and SiamBAN.

  Raises:
    ValueError: A level is not among stages 2 to 4.
  """
  return _make('resnet50', levels, width, (3, 4, 6, 3), Bottleneck)
