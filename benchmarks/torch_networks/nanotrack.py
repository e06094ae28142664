"""NanoTrackV3.

Source: the released NanoTrackV3; MobileNetV3 (arXiv:1905.02244).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.torch_networks.layers import (
  center_crop,
  conv_bn,
  depthwise_xcorr,
)

# Kernel size, expansion, output channels, squeeze-and-excite, hard-swish, and
# stride of every block.
BLOCKS = (
  (3, 1, 16, True, False, 2),
  (3, 4.5, 24, False, False, 2),
  (3, 3.67, 24, False, False, 1),
  (5, 4, 40, True, True, 2),
  (5, 6, 40, True, True, 1),
  (5, 6, 40, True, True, 1),
  (5, 3, 48, True, True, 1),
  (5, 3, 48, True, True, 1),
  (5, 6, 96, True, True, 1),
)
# Number of cells per side of the template features, and of their centre, which
# is correlated depth-wise.
TEMPLATE_CELLS, MIDDLE = 8, 4


def _multiple_of_8(channels) -> int:
  return max(8, int(channels + 4) // 8 * 8)


class SqueezeExcite(nn.Module):
  """Multiplies each channel by a weight computed from all channels' means."""

  def __init__(self, channels):
    super().__init__()
    inner = _multiple_of_8(channels // 4)
    self.fc = nn.Sequential(
      nn.Linear(channels, inner),
      nn.ReLU(inplace=True),
      nn.Linear(inner, channels),
      nn.Hardsigmoid(inplace=True),
    )

  def forward(self, x):
    return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class InvertedResidual(nn.Module):
  """Expansion, depthwise convolution and projection."""

  def __init__(self, inputs, size, expansion, features, attends, swish, stride):
    super().__init__()
    inner = _multiple_of_8(inputs * expansion)
    act = nn.Hardswish(inplace=True) if swish else nn.ReLU(inplace=True)
    attention = SqueezeExcite(inner) if attends else nn.Identity()
    grid = {'stride': stride, 'padding': size // 2, 'groups': inner}
    depthwise = conv_bn(inner, inner, size, **grid)
    project = conv_bn(inner, features)
    if inner == inputs:
      layers = *depthwise, act, attention, *project
    else:
      expand = conv_bn(inputs, inner)
      layers = *expand, act, *depthwise, attention, act, *project
    self.conv = nn.Sequential(*layers)
    self.adds = stride == 1 and inputs == features

  def forward(self, x):
    return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV3(nn.Module):
  """First nine blocks of MobileNetV3-Small, with stride 16."""

  def __init__(self, width):
    super().__init__()
    inputs = _multiple_of_8(16 * width)
    stem = conv_bn(3, inputs, 3, stride=2, padding=1)
    layers = [stem.append(nn.Hardswish(inplace=True))]
    for size, expansion, features, *rest in BLOCKS:
      features = _multiple_of_8(features * width)
      layers.append(InvertedResidual(inputs, size, expansion, features, *rest))
      inputs = features
    self.features = nn.Sequential(*layers)
    self.channels = inputs

  def forward(self, image):
    return self.features(image)


def _separable(inputs, features, size, padding, bias=False) -> nn.Sequential:
  return nn.Sequential(
    *conv_bn(inputs, inputs, size, padding=padding, groups=inputs),
    nn.ReLU6(inplace=True),
    *conv_bn(inputs, features, bias=bias),
  )


class ChannelAttention(nn.Module):
  """Multiplies each channel by a weight computed from all channels' means."""

  def __init__(self, channels):
    super().__init__()
    self.fc1 = nn.Conv2d(channels, channels, 1)
    self.fc2 = nn.Conv2d(channels, channels, 1)

  def forward(self, x):
    inner = F.relu(self.fc1(x.mean((2, 3), keepdim=True)))
    return x * torch.sigmoid(self.fc2(inner))


class MiddleXCorr(nn.Module):
  """Depth-wise correlation with the template's central cells."""

  def __init__(self, inputs, hidden):
    super().__init__()
    self.conv_kernel = conv_bn(inputs, hidden, bias=True)
    self.conv_search = conv_bn(inputs, hidden, bias=True)

  def encode(self, template):
    return self.conv_kernel(center_crop(template, MIDDLE))

  def respond(self, kernel, search):
    edge = (MIDDLE // 2 - 1,) * 4
    return depthwise_xcorr(F.pad(self.conv_search(search), edge), kernel)


class PixelXCorr(nn.Module):
  """Pixel-wise correlation with channel attention."""

  def __init__(self, inputs, hidden):
    super().__init__()
    cells = TEMPLATE_CELLS**2
    self.conv_kernel = conv_bn(inputs, hidden, bias=True)
    self.conv_search = conv_bn(inputs, hidden, bias=True)
    self.CA_layer = ChannelAttention(cells)
    self.conv = _separable(cells, cells, 2, 0, bias=True)

  def encode(self, template):
    return self.conv_kernel(template).flatten(2).transpose(1, 2)

  def respond(self, kernel, search):
    search = self.conv_search(search)
    response = torch.bmm(kernel, search.flatten(2))
    response = response.reshape(*response.shape[:2], *search.shape[2:])
    return self.conv(self.CA_layer(response))


class Head(nn.Module):
  """Fusions and towers of both outputs, with the official names."""

  # Output -> suffix of the fusions, name of the tower and of the last layer.
  NAMES = (
    ('cls', 'cls_tower', 'cls_logits'),
    ('reg', 'bbox_tower', 'bbox_pred'),
  )

  def __init__(self, inputs, hidden):
    super().__init__()
    for (suffix, tower, last), outputs in zip(self.NAMES, (2, 4), strict=True):
      self.add_module(f'corr_pw_{suffix}', PixelXCorr(inputs, hidden))
      self.add_module(f'corr_dw_{suffix}', MiddleXCorr(inputs, hidden))
      mixed = nn.Conv2d(TEMPLATE_CELLS**2 + hidden, hidden, 1)
      self.add_module(f'down_{suffix}', nn.Sequential(mixed))
      layers = [_separable(hidden, hidden, 3, 1) for _ in range(6)]
      flat = nn.Sequential(*(each for layer in layers for each in layer))
      self.add_module(tower, flat)
      out = nn.Conv2d(hidden, outputs, 1)
      self.add_module(last, nn.Sequential(out))

  def encode(self, template):
    return {
      name: module.encode(template)
      for name, module in self.named_children()
      if name.startswith('corr_')
    }

  def respond(self, kernels, search):
    outputs = []
    for suffix, tower, last in self.NAMES:
      responses = [
        getattr(self, name).respond(kernels[name], search)
        for name in (f'corr_pw_{suffix}', f'corr_dw_{suffix}')
      ]
      x = getattr(self, f'down_{suffix}')(torch.cat(responses, 1))
      outputs.append(getattr(self, last)(getattr(self, tower)(x)))
    cls, loc = outputs
    return cls.float(), torch.exp(loc.float())


class NanoTrack(nn.Module):
  """NanoTrackV3, without the official network's unused neck."""

  def __init__(self, width: float = 1.0, hidden: int = 96):
    """Builds the network.

    Args:
      width: Factor that multiplies the number of channels of the backbone.
      hidden: Channels of the fusions and the towers.
    """
    super().__init__()
    self.backbone = MobileNetV3(width)
    self.ban_head = Head(self.backbone.channels, hidden)

  def encode(self, template: Tensor, box_size: Tensor) -> dict[str, Tensor]:
    """Computes everything that depends only on the template [b 3 127 127]."""
    return self.ban_head.encode(self.backbone(template))

  def respond(
    self, kernels: dict[str, Tensor], search: Tensor
  ) -> tuple[Tensor, Tensor]:
    """Computes logits [b 2 r r] and distances [b 4 r r], px.

    Args:
      kernels: Result of `encode`.
      search: Search images [b 3 h h].
    """
    return self.ban_head.respond(kernels, self.backbone(search))

  def forward(
    self, template: Tensor, box_size: Tensor, search: Tensor
  ) -> tuple[Tensor, Tensor]:
    """Runs `encode`, then `respond`."""
    return self.respond(self.encode(template, box_size), search)
