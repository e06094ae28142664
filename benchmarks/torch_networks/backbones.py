"""Backbones of SiamRPN, SiamRPN++ and SiamBAN, without their last strides.

A backbone takes images [b 3 h h] and returns a list with the features of every
level. Its attribute `channels` holds the numbers of channels of the levels.

Source: SiamRPN++ (arXiv:1812.11703), MobileNetV2 (arXiv:1801.04381).
"""

import torch.nn.functional as F
from torch import nn

from benchmarks.torch_networks.layers import conv_bn


class Bottleneck(nn.Module):
  """Residual block of three convolutions, with 4 x `features` outputs."""

  def __init__(self, inputs, features, stride, dilation, projection):
    super().__init__()
    padding = dilation if stride == 1 else 0
    grid = {'stride': stride, 'padding': padding, 'dilation': dilation}
    self.conv1 = nn.Conv2d(inputs, features, 1, bias=False)
    self.bn1 = nn.BatchNorm2d(features)
    self.conv2 = nn.Conv2d(features, features, 3, bias=False, **grid)
    self.bn2 = nn.BatchNorm2d(features)
    self.conv3 = nn.Conv2d(features, 4 * features, 1, bias=False)
    self.bn3 = nn.BatchNorm2d(4 * features)
    self.downsample = None
    if projection:
      grid = grid if projection == 3 else {}
      self.downsample = conv_bn(inputs, 4 * features, projection, **grid)

  def forward(self, x):
    y = F.relu(self.bn1(self.conv1(x)))
    y = F.relu(self.bn2(self.conv2(y)))
    y = self.bn3(self.conv3(y))
    return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
  """Dilated ResNet-50 of stride 8; returns the outputs of stages 2 to 4."""

  def __init__(self, stem=64):
    """Builds the backbone.

    Args:
      stem: Channels of the first convolution.
    """
    super().__init__()
    self.channels = [4 * stem * 2**stage for stage in (1, 2, 3)]
    self.conv1 = nn.Conv2d(3, stem, 7, stride=2, bias=False)
    self.bn1 = nn.BatchNorm2d(stem)
    inputs, blocks = stem, (3, 4, 6, 3)
    for stage, count in enumerate(blocks, 1):
      features = stem * 2 ** (stage - 1)
      dilation = (1, 1, 2, 4)[stage - 1]
      first = {
        'stride': 2 if stage == 2 else 1,
        'dilation': max(1, dilation // 2),
        'projection': 3 if stage > 1 else 1,
      }
      rest = {'stride': 1, 'dilation': dilation, 'projection': 0}
      layers = [Bottleneck(inputs, features, **first)]
      inputs = 4 * features
      layers += [Bottleneck(inputs, features, **rest) for _ in range(count - 1)]
      setattr(self, f'layer{stage}', nn.Sequential(*layers))

  def stages(self):
    """Returns the parts of the backbone, from the stem to the last stage."""
    stem = nn.ModuleList([self.conv1, self.bn1])
    return [stem, *(getattr(self, f'layer{i}') for i in range(1, 5))]

  def forward(self, image):
    x = F.relu(self.bn1(self.conv1(image)))
    x = self.layer1(F.max_pool2d(x, 3, stride=2, padding=1))
    outputs = []
    for layer in (self.layer2, self.layer3, self.layer4):
      x = layer(x)
      outputs.append(x)
    return outputs


class InvertedResidual(nn.Module):
  """1x1 expansion, depthwise 3x3 convolution and 1x1 projection."""

  def __init__(self, inputs, expansion, features, stride, dilation):
    super().__init__()
    inner = inputs * expansion
    grid = {
      'stride': stride,
      'padding': dilation if stride == 1 else 0,
      'dilation': dilation,
    }
    self.conv = nn.Sequential(
      *conv_bn(inputs, inner),
      nn.ReLU6(inplace=True),
      *conv_bn(inner, inner, 3, groups=inner, **grid),
      nn.ReLU6(inplace=True),
      *conv_bn(inner, features),
    )
    self.adds = stride == 1 and inputs == features

  def forward(self, x):
    return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
  """Dilated MobileNetV2 of stride 8; returns layers 3, 5 and 7."""

  # Expansion, output channels at width 1, number of blocks, stride and dilation
  # of the first block, and dilation of the other blocks.
  LAYERS = (
    (1, 16, 1, 1, 1, 1),
    (6, 24, 2, 2, 1, 1),
    (6, 32, 3, 2, 1, 1),
    (6, 64, 4, 1, 1, 2),
    (6, 96, 3, 1, 2, 2),
    (6, 160, 3, 1, 2, 4),
    (6, 320, 1, 1, 4, 4),
  )

  def __init__(self, width=1.4):
    """Builds the backbone.

    Args:
      width: Factor that multiplies the number of channels of every layer.
    """
    super().__init__()
    inputs, self.channels = int(32 * width), []
    self.layer0 = conv_bn(3, inputs, 3, stride=2)
    self.layer0.append(nn.ReLU6(inplace=True))
    for number, layer in enumerate(self.LAYERS, 1):
      expansion, features, count, stride, first, rest = layer
      features, blocks = int(features * width), []
      for block in range(count):
        grid = (1, rest) if block else (stride, first)
        blocks.append(InvertedResidual(inputs, expansion, features, *grid))
        inputs = features
      setattr(self, f'layer{number}', nn.Sequential(*blocks))
      if number in (3, 5, 7):
        self.channels.append(features)

  def forward(self, image):
    x, outputs = self.layer0(image), []
    for number in range(1, len(self.LAYERS) + 1):
      x = getattr(self, f'layer{number}')(x)
      if number in (3, 5, 7):
        outputs.append(x)
    return outputs


class AlexNet(nn.Module):
  """AlexNet of stride 8 without padding and groups; returns its last layer."""

  def __init__(self, width=1.0):
    """Builds the backbone.

    Args:
      width: Factor that multiplies the number of channels of every layer.
    """
    super().__init__()
    c1, c2, c3, c4 = (int(width * c) for c in (96, 256, 384, 256))
    self.channels = [c4]

    def layer(*sizes, stride=1, pools=False):
      pool = [nn.MaxPool2d(3, stride=2)] if pools else []
      return *conv_bn(*sizes, stride=stride, bias=True), *pool

    relu = nn.ReLU(inplace=True)
    self.features = nn.Sequential(
      *(*layer(3, c1, 11, stride=2, pools=True), relu),
      *(*layer(c1, c2, 5, pools=True), relu),
      *(*layer(c2, c3, 3), relu),
      *(*layer(c3, c3, 3), relu),
      *layer(c3, c4, 3),
    )

  def forward(self, image):
    return [self.features(image)]
