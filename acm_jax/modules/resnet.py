"""ResNet with dilated last stages, as modified for Siamese trackers.

There are three differences from the ImageNet network. The first convolution has
no padding. Stages 3 and 4 use dilation instead of a stride; the total stride
stays 8. The downsampling convolutions of stages 2 to 4 are 3x3 instead of 1x1;
`acm_jax.weights.imagenet` converts ImageNet weights to this form.

Source: SiamRPN++ (arXiv:1812.11703), section 3.4.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules.backbone import Backbone, run_block, stop_while_frozen
from acm_jax.modules.layers import ConvBn, normal_fan_out
from acm_jax.modules.mode import Mode
from acm_jax.modules.pooling import max_pool


class Residual(nn.Module):
  """Base class of the residual blocks.

  Attributes:
    features: Channels of the inner convolutions.
    stride: Stride of the first 3x3 convolution; if 2, the convolution has no
      padding.
    dilation: Dilation of the first 3x3 convolution.
    later_dilation: Dilation of the second 3x3 convolution, if there is one.
    projection: Kernel size of the shortcut's convolution; 0 for the identity.
    EXPANSION: Ratio of output to inner channels.
  """

  features: int
  stride: int = 1
  dilation: int = 1
  later_dilation: int = 1
  projection: int = 0

  EXPANSION = 1

  def conv(
    self,
    features: int,
    size: int,
    *,
    relu: bool,
    name: str,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
  ) -> ConvBn:
    """Builds a convolution of the block."""
    return ConvBn(
      features,
      size,
      stride,
      padding,
      dilation,
      relu=relu,
      kernel_init=normal_fan_out,
      name=name,
    )

  @property
  def grid(self) -> dict[str, int]:
    """Stride, padding and dilation of the first 3x3 convolution."""
    return {
      'stride': self.stride,
      'padding': self.dilation if self.stride == 1 else 0,
      'dilation': self.dilation,
    }

  def shortcut(
    self, x: Float[Array, 'b h h c'], features: int, *, train: bool
  ) -> Float[Array, 'b y y f']:
    """Maps the block's input to the shape of the block's output."""
    if not self.projection:
      return x
    grid = self.grid if self.projection == 3 else {}
    conv = self.conv(
      features, self.projection, relu=False, name='downsample', **grid
    )
    return conv(x, train=train)


class BasicBlock(Residual):
  """Two 3x3 convolutions."""

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b h h c'], *, train: bool
  ) -> Float[Array, 'b y y f']:
    later = {'padding': self.later_dilation, 'dilation': self.later_dilation}
    conv1 = self.conv(self.features, 3, relu=True, name='conv1', **self.grid)
    conv2 = self.conv(self.features, 3, relu=False, name='conv2', **later)
    y = conv2(conv1(x, train=train), train=train)
    return nn.relu(y + self.shortcut(x, self.features, train=train))


class Bottleneck(Residual):
  """1x1, 3x3 and 1x1 convolutions; the last has 4 times the channels."""

  EXPANSION = 4

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b h h c'], *, train: bool
  ) -> Float[Array, 'b y y f']:
    outputs = self.features * self.EXPANSION
    conv1 = self.conv(self.features, 1, relu=True, name='conv1')
    conv2 = self.conv(self.features, 3, relu=True, name='conv2', **self.grid)
    conv3 = self.conv(outputs, 1, relu=False, name='conv3')
    y = conv2(conv1(x, train=train), train=train)
    y = conv3(y, train=train)
    return nn.relu(y + self.shortcut(x, outputs, train=train))


class ResNet(Backbone):
  """Dilated ResNet. Its levels are stages 2 to 4, all with stride 8.

  Attributes:
    blocks: Number of residual blocks in each stage.
    kind: Class of the residual blocks.
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
    x = max_pool(x, padding=1)
    outputs, layers = [], [stem]
    x = stop_while_frozen(x, layers, mode)
    for stage in range(1, max(self.levels) + 1):
      for block in range(self.blocks[stage - 1]):
        layer = self._block(stage, block)
        x = run_block(layer, x, mode)
        layers.append(layer)
        x = stop_while_frozen(x, layers, mode)
      if stage in self.levels:
        outputs.append(x)
    return tuple(outputs)

  def _block(self, stage: int, block: int) -> Residual:
    first = block == 0
    dilation = {1: 1, 2: 1, 3: 2, 4: 4}[stage]
    # The first stage has a projection only if the number of channels changes.
    projection = 3 if stage > 1 else int(self.kind.EXPANSION > 1)
    return self.kind(
      self.channels(64) * 2 ** (stage - 1),
      stride=2 if first and stage == 2 else 1,
      # The first block of a dilated stage has half the dilation.
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


def _make(
  name: str,
  levels: tuple[int, ...],
  width: float,
  *,
  blocks: tuple[int, ...],
  kind: type[Residual],
) -> ResNet:
  if not set(levels) <= {2, 3, 4} or not levels:
    raise ValueError(
      f'`levels`={tuple(levels)}: {name} has levels 2 to 4; choose one or more'
    )
  return ResNet(
    levels=tuple(sorted(levels)), width=width, blocks=blocks, kind=kind
  )


def resnet18(levels: tuple[int, ...] = (2, 3, 4), width: float = 1.0) -> ResNet:
  """Builds the smallest of pysot's ResNets.

  Raises:
    ValueError: There is no level, or a level is not among stages 2 to 4.
  """
  return _make('resnet18', levels, width, blocks=(2, 2, 2, 2), kind=BasicBlock)


def resnet34(levels: tuple[int, ...] = (2, 3, 4), width: float = 1.0) -> ResNet:
  """Builds a ResNet-34, which is a ResNet-18 with more blocks.

  Raises:
    ValueError: There is no level, or a level is not among stages 2 to 4.
  """
  return _make('resnet34', levels, width, blocks=(3, 4, 6, 3), kind=BasicBlock)


def resnet50(levels: tuple[int, ...] = (2, 3, 4), width: float = 1.0) -> ResNet:
  """Builds the backbone of SiamRPN++ and SiamBAN.

  Raises:
    ValueError: There is no level, or a level is not among stages 2 to 4.
  """
  return _make('resnet50', levels, width, blocks=(3, 4, 6, 3), kind=Bottleneck)
