"""SiamBAN-ACM with ResNet-50, and its training step, in PyTorch.

The network has the state-dict keys and outputs of the official code
(tests/benchmarks/pytorch_test.py). Its training step can therefore be compared
with the training step in JAX.

Example:

  acm-jax speed --part step --only 'siamban acm' --batch_size 32 \\
    --against benchmarks/pytorch.py --out steps.json

Source: arXiv:2003.06761 and arXiv:2012.02776.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# Number of classes, and of distances to the sides of the box, at each location.
OUTPUTS = {'cls': 2, 'loc': 4}
LEVELS, TEMPLATE_CELLS = (2, 3, 4), 7
# Number of positive and of negative locations that are sampled in an image, as
# in the official code.
POSITIVES, NEGATIVES = 16, 48
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


def conv_bn(inputs, features, size=1, relu=False, **options) -> nn.Sequential:
  """Makes a convolution, a batch norm and optionally a ReLU."""
  options = {'bias': False} | options
  layers = [nn.Conv2d(inputs, features, size, **options)]
  layers.append(nn.BatchNorm2d(features))
  if relu:
    layers.append(nn.ReLU(inplace=True))
  return nn.Sequential(*layers)


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


class Backbone(nn.Module):
  """Dilated ResNet-50 of stride 8; returns the outputs of stages 2 to 4."""

  def __init__(self, channels):
    super().__init__()
    self.conv1 = nn.Conv2d(3, channels, 7, stride=2, bias=False)
    self.bn1 = nn.BatchNorm2d(channels)
    inputs, blocks = channels, (3, 4, 6, 3)
    for stage, count in enumerate(blocks, 1):
      features = channels * 2 ** (stage - 1)
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

  def forward(self, image):
    x = F.relu(self.bn1(self.conv1(image)))
    x = self.layer1(F.max_pool2d(x, 3, stride=2, padding=1))
    outputs = []
    for layer in (self.layer2, self.layer3, self.layer4):
      x = layer(x)
      outputs.append(x)
    return outputs


class Branch(nn.Module):
  """Adapters, ACM and head for one output at one level of the backbone."""

  def __init__(self, c, outputs):
    super().__init__()
    same = {'padding': 1, 'bias': True}
    self.conv_kernel = conv_bn(c, c, 3, relu=True)
    self.conv_search = conv_bn(c, c, 3, relu=True)
    self.xorr_kernel = nn.Conv2d(c, c, TEMPLATE_CELLS - 2)
    self.xorr_search = nn.Conv2d(c, c, TEMPLATE_CELLS - 2, bias=False)
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

  def forward(self, template, box_size, search):
    kernel = self.xorr_kernel(self.conv_kernel(template))
    prior = self.xorr_bbox(box_size)[:, :, None, None]
    response = self.xorr_search(self.conv_search(search)) + kernel + prior
    return self.head(self.xorr_activate(response))


class Network(nn.Module):
  """SiamBAN-ACM with three levels and the official state-dict keys."""

  def __init__(self, channels=64, hidden=256):
    """Builds the network.

    Args:
      channels: Channels of the backbone's first convolution.
      hidden: Channels of the neck and the heads.
    """
    super().__init__()
    self.backbone = Backbone(channels)
    self.neck, self.head = nn.Module(), nn.Module()
    for level in LEVELS:
      down, box = nn.Module(), nn.Module()
      down.downsample = conv_bn(2 * channels * 2**level, hidden)
      self.neck.add_module(f'downsample{level}', down)
      for name, outputs in OUTPUTS.items():
        box.add_module(name, Branch(hidden, outputs))
      self.head.add_module(f'box{level}', box)
    for name in ('cls_weight', 'loc_weight', 'loc_scale'):
      self.head.register_parameter(name, nn.Parameter(torch.ones(len(LEVELS))))

  def features(self, image):
    """Returns the features of every level, after the neck."""
    return [
      getattr(self.neck, f'downsample{level}').downsample(x)
      for level, x in zip(LEVELS, self.backbone(image), strict=True)
    ]

  def forward(self, template, box_size, search):
    """Computes logits [b 2 r r] and distances [b 4 r r].

    Args:
      template: Template images [b 3 127 127].
      box_size: Width and height of the targets in `template` [b 2], px.
      search: Search images [b 3 255 255].
    """
    cut = (15 - TEMPLATE_CELLS) // 2
    inner = slice(cut, cut + TEMPLATE_CELLS)
    kernels = [x[:, :, inner, inner] for x in self.features(template)]
    cls, loc = [], []
    for i, search_level in enumerate(self.features(search)):
      box = getattr(self.head, f'box{LEVELS[i]}')
      cls.append(box.cls(kernels[i], box_size, search_level))
      offsets = box.loc(kernels[i], box_size, search_level)
      loc.append(torch.exp(offsets.float() * self.head.loc_scale[i]))
    return (
      _mixed(cls, self.head.cls_weight),
      _mixed(loc, self.head.loc_weight),
    )


def _mixed(levels, weight):
  weights = torch.softmax(weight, 0)
  return sum(level.float() * weights[i] for i, level in enumerate(levels))


def loss(cls, loc, label, distances, mask):
  """Computes the training loss of SiamBAN.

  Args:
    cls: Logits [b 2 r r].
    loc: Predicted distances from each location to the left, top, right and
      bottom side of the box [b 4 r r], px.
    label: Labels, 1 for target and 0 for background [b r r].
    distances: True distances, in the form of `loc`.
    mask: 1 at sampled locations, 0 at all others [b r r].
  """
  nll = F.cross_entropy(cls, label, reduction='none')
  positive, negative = mask * (label == 1), mask * (label == 0)
  intersection = _area(torch.minimum(loc, distances))
  union = _area(loc) + _area(distances) - intersection
  iou = (intersection + 1) / (union + 1)
  classes = (_mean(nll, positive) + _mean(nll, negative)) / 2
  return classes + _mean(1 - iou, positive)


def _area(ltrb):
  left, top, right, bottom = ltrb.unbind(1)
  return (left + right) * (top + bottom)


def _mean(values, weight):
  return (values * weight).sum() / weight.sum().clamp(min=1)


class Pending:
  """Unfinished work of the device; has the waiting method of a JAX array."""

  def block_until_ready(self) -> None:
    """Waits until the device has finished."""
    if torch.cuda.is_available():
      torch.cuda.synchronize()


@dataclasses.dataclass(frozen=True)
class Form:
  """Settings of a training step; calling an instance returns the step.

  Attributes:
    bfloat16: Whether convolutions compute in bfloat16, by autocast.
    channels_last: Whether channels vary fastest in memory.
    compiled: Whether `torch.compile` is applied to network and loss.
    frozen: Number of stages of the backbone, including the stem, that do not
      train.
    network: Function that builds the network.
  """

  bfloat16: bool = False
  channels_last: bool = False
  compiled: bool = False
  frozen: int = 0
  network: Callable[[], Network] = Network

  def __call__(self, raw) -> Callable[[], Pending]:
    """Returns a function that trains a new network by one step per call.

    Args:
      raw: `data_pipelines.batch.RawBatch` that all steps train on.
    """
    layout = torch.preserve_format
    if self.channels_last:
      layout = torch.channels_last
    torch.backends.cudnn.benchmark = True
    network = self.network().train().to(DEVICE, memory_format=layout)
    groups = _freeze(network, self.frozen)
    optimizer = torch.optim.SGD(groups, 1e-3, 0.9, weight_decay=1e-4)
    template, box_size, search = (x.to(DEVICE) for x in _inputs(raw))
    label, distances, mask = (x.to(DEVICE) for x in _targets(len(raw.positive)))
    inputs = {
      'template': template.contiguous(memory_format=layout),
      'box_size': box_size,
      'search': search.contiguous(memory_format=layout),
      'label': label,
      'distances': distances,
      'mask': mask,
    }
    autocast = functools.partial(
      torch.autocast, DEVICE, torch.bfloat16, enabled=self.bfloat16
    )

    def loss_of(template, box_size, search, label, distances, mask):
      cls, loc = network(template, box_size, search)
      return loss(cls, loc, label, distances, mask)

    if self.compiled:
      # By default, PyTorch would compile for arbitrary batch sizes as soon as
      # the batch size changes.
      loss_of = torch.compile(loss_of, dynamic=False)
    weights = [weight for group in groups for weight in group['params']]

    def step():
      optimizer.zero_grad(set_to_none=True)
      with autocast():
        value = loss_of(**inputs)
      value.backward()
      nn.utils.clip_grad_norm_(weights, 10.0)
      optimizer.step()
      return Pending()

    return step


def _freeze(network: Network, frozen: int) -> list[dict]:
  """Freezes the first stages; returns the parameter groups of the rest."""
  backbone = network.backbone
  stages = [nn.ModuleList([backbone.conv1, backbone.bn1])]
  stages += [getattr(backbone, f'layer{i}') for i in range(1, 5)]
  for stage in stages[:frozen]:
    stage.eval().requires_grad_(False)
  trained = [p for stage in stages[frozen:] for p in stage.parameters()]
  rest = [*network.neck.parameters(), *network.head.parameters()]
  return [{'params': trained, 'lr': 1e-4}, {'params': rest}]


def _inputs(raw) -> list[torch.Tensor]:
  """Returns the template, box size and search image of a batch."""

  def image(pixels):
    pixels = np.moveaxis(np.asarray(pixels, np.float32), -1, 1)
    return torch.from_numpy(pixels.copy())

  size = torch.from_numpy(np.asarray(raw.template_box, np.float32)[:, 2:])
  return [image(raw.template), size, image(raw.search)]


def _targets(count: int, cells: int = 25) -> list[torch.Tensor]:
  """Makes random labels, distances and masks of sampled locations.

  The mask selects as many locations as in training.

  Args:
    count: Number of images.
    cells: Cells per side of the response map.
  """
  rng = np.random.default_rng(0)
  shape = count, cells, cells
  order = rng.random((count, cells**2)).argsort(axis=1).reshape(shape)
  distances = rng.uniform(20, 60, (count, 4, cells, cells))
  return [
    torch.from_numpy((order < POSITIVES).astype(np.int64)),
    torch.from_numpy(distances.astype(np.float32)),
    torch.from_numpy((order < POSITIVES + NEGATIVES).astype(np.float32)),
  ]


OTHERS = {
  'siamban acm train': {
    'pytorch': Form(),
    'pytorch bfloat16': Form(bfloat16=True, channels_last=True),
  }
}
