"""SiamRPN, SiamRPN++, SiamBAN and SiamBAN-ACM.

Source: arXiv:1812.11703, arXiv:2003.06761 and arXiv:2012.02776.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.torch_networks.backbones import ResNet50
from benchmarks.torch_networks.layers import (
  center_crop,
  conv_bn,
  depthwise_xcorr,
)

# Number of classes, and of values that describe the box, of every candidate.
CLASSES, VALUES = 2, 4
# Number of cells per side of the template features, after the crop.
TEMPLATE_CELLS = 7


class XCorrBranch(nn.Module):
  """Adapters, depth-wise correlation and head for one output at one level."""

  def __init__(self, inputs, hidden, outputs):
    super().__init__()
    self.conv_kernel = conv_bn(inputs, hidden, 3, relu=True)
    self.conv_search = conv_bn(inputs, hidden, 3, relu=True)
    self.head = conv_bn(hidden, hidden, relu=True)
    self.head.append(nn.Conv2d(hidden, outputs, 1))

  def encode(self, template, box_size):
    return self.conv_kernel(template)

  def respond(self, kernel, search):
    return self.head(depthwise_xcorr(self.conv_search(search), kernel))


class AcmBranch(nn.Module):
  """Adapters, ACM and head for one output at one level."""

  def __init__(self, inputs, hidden, outputs):
    super().__init__()
    c, cells = hidden, TEMPLATE_CELLS - 2
    same = {'padding': 1, 'bias': True}
    self.conv_kernel = conv_bn(inputs, c, 3, relu=True)
    self.conv_search = conv_bn(inputs, c, 3, relu=True)
    self.xorr_kernel = nn.Conv2d(c, c, cells)
    self.xorr_search = nn.Conv2d(c, c, cells, bias=False)
    self.xorr_bbox = nn.Sequential(
      nn.Linear(2, 32),
      nn.BatchNorm1d(32),
      nn.ReLU(),
      nn.Linear(32, 32),
      nn.BatchNorm1d(32),
      nn.ReLU(),
      nn.Linear(32, c, bias=False),
    )
    self.xorr_activate = nn.Sequential(
      nn.BatchNorm2d(c), nn.ReLU(), *conv_bn(c, c, 3, relu=True, **same)
    )
    self.head = conv_bn(c, c, 3, relu=True, **same)
    self.head.append(nn.Conv2d(c, outputs, 3, padding=1))

  def encode(self, template, box_size):
    prior = self.xorr_bbox(box_size)[:, :, None, None]
    return self.xorr_kernel(self.conv_kernel(template)) + prior

  def respond(self, kernel, search):
    response = self.xorr_search(self.conv_search(search)) + kernel
    return self.head(self.xorr_activate(response))


class Level(nn.Module):
  """Branches that predict classes and boxes at one level."""

  def __init__(self, branch, inputs, hidden, anchors):
    super().__init__()
    self.cls = branch(inputs, hidden, CLASSES * anchors)
    self.loc = branch(inputs, hidden, VALUES * anchors)

  def encode(self, template, box_size):
    branches = self.cls, self.loc
    return [branch.encode(template, box_size) for branch in branches]

  def respond(self, kernels, search):
    branches = zip((self.cls, self.loc), kernels, strict=True)
    return [branch.respond(kernel, search) for branch, kernel in branches]


class OneLevel(Level):
  """Head of a network with a single level."""

  def encode(self, templates, box_size):
    return super().encode(*templates, box_size)

  def respond(self, kernels, searches):
    return super().respond(kernels, *searches)


class Head(nn.Module):
  """Branches of all levels, whose outputs are mixed."""

  def __init__(self, prefix, count, *args, weighted, scaled):
    super().__init__()
    self.levels = [Level(*args) for _ in range(count)]
    # The official names begin at 2 whatever the levels of the backbone.
    for number, level in enumerate(self.levels, 2):
      self.add_module(f'{prefix}{number}', level)
    ones = torch.ones(count)
    self.cls_weight = nn.Parameter(ones.clone()) if weighted else None
    self.loc_weight = nn.Parameter(ones.clone()) if weighted else None
    self.loc_scale = nn.Parameter(ones.clone()) if scaled else None

  def encode(self, templates, box_size):
    levels = zip(self.levels, templates, strict=True)
    return [level.encode(x, box_size) for level, x in levels]

  def respond(self, kernels, searches):
    levels = zip(self.levels, kernels, searches, strict=True)
    outputs = [level.respond(kernel, x) for level, kernel, x in levels]
    cls, loc = zip(*outputs, strict=True)
    if self.loc_scale is not None:
      scales = zip(loc, self.loc_scale, strict=True)
      loc = [torch.exp(offsets.float() * scale) for offsets, scale in scales]
    return _mixed(cls, self.cls_weight), _mixed(loc, self.loc_weight)


def _mixed(levels, weight):
  if weight is None:
    return sum(level.float() for level in levels) / len(levels)
  weights = torch.softmax(weight, 0)
  return sum(level.float() * weights[i] for i, level in enumerate(levels))


class Neck(nn.Module):
  """One 1x1 convolution with batch norm per level."""

  def __init__(self, channels, hidden):
    super().__init__()
    self.levels = []
    for number, inputs in enumerate(channels, 2):
      level = nn.Module()
      level.downsample = conv_bn(inputs, hidden)
      self.add_module(f'downsample{number}', level)
      self.levels.append(level.downsample)

  def forward(self, features):
    levels = zip(self.levels, features, strict=True)
    return [level(x) for level, x in levels]


class Siamese(nn.Module):
  """Network with a backbone, a neck and a head.

  Template and search images pass through the same backbone and neck.
  """

  def __init__(self, backbone, neck):
    super().__init__()
    self.backbone = backbone
    self.neck = neck

  @property
  def matcher(self) -> nn.Module:
    """Head, whose name differs between the official networks."""
    raise NotImplementedError

  def _features(self, image):
    features = self.backbone(image)
    return features if self.neck is None else self.neck(features)

  def encode(self, template: Tensor, box_size: Tensor) -> list:
    """Computes everything that depends only on the template.

    Args:
      template: Template images [b 3 127 127].
      box_size: Width and height of the targets in `template` [b 2], px.
    """
    features = self._features(template)
    cropped = [center_crop(x, TEMPLATE_CELLS) for x in features]
    return self.matcher.encode(cropped, box_size)

  def respond(self, kernels: list, search: Tensor) -> tuple[Tensor, Tensor]:
    """Computes the outputs for search images [b 3 h h]; see `forward`."""
    return tuple(self.matcher.respond(kernels, self._features(search)))

  def forward(
    self, template: Tensor, box_size: Tensor, search: Tensor
  ) -> tuple[Tensor, Tensor]:
    """Computes logits [b 2k r r] and boxes [b 4k r r].

    The index of the class or value varies slowest along the channels, and the
    index of the k candidates of a cell fastest.

    Args:
      template: Template images [b 3 127 127].
      box_size: Width and height of the targets in `template` [b 2], px.
      search: Search images [b 3 h h].
    """
    return self.respond(self.encode(template, box_size), search)


class SiamBan(Siamese):
  """SiamBAN; the boxes are distances to the sides, px."""

  def __init__(
    self,
    branch: Callable[..., nn.Module] = XCorrBranch,
    stem: int = 64,
    hidden: int = 256,
  ):
    """Builds the network with ResNet-50 and three levels.

    Args:
      branch: Class of the branches.
      stem: Channels of the backbone's first convolution.
      hidden: Channels of neck and head.
    """
    backbone = ResNet50(stem)
    super().__init__(backbone, Neck(backbone.channels, hidden))
    levels = len(backbone.channels), branch, hidden, hidden, 1
    self.head = Head('box', *levels, weighted=True, scaled=True)

  @property
  def matcher(self):
    return self.head


class SiamRpn(Siamese):
  """SiamRPN and SiamRPN++; the boxes are offsets to anchors."""

  ANCHORS = 5

  def __init__(
    self, backbone: nn.Module, hidden: int = 256, *, weighted: bool = False
  ):
    """Builds the network; without a neck if the backbone has a single level.

    Args:
      backbone: Backbone.
      hidden: Channels of neck and head.
      weighted: Whether learned weights mix the levels; otherwise the levels are
        averaged.
    """
    channels = backbone.channels
    branches = XCorrBranch, hidden, hidden, self.ANCHORS
    if len(channels) == 1:
      super().__init__(backbone, None)
      branches = XCorrBranch, channels[0], hidden, self.ANCHORS
      self.rpn_head = OneLevel(*branches)
      return
    super().__init__(backbone, Neck(channels, hidden))
    self.rpn_head = Head(
      'rpn', len(channels), *branches, weighted=weighted, scaled=False
    )

  @property
  def matcher(self):
    return self.rpn_head
