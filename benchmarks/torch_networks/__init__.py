"""Reference networks in PyTorch, with the official state-dict keys and outputs.

Every network has the functions `encode`, which computes what depends only on
the template, `respond`, which computes the outputs for search images, and
`forward`, which runs both. The outputs are a tuple. Images are [b 3 h h], in
the range 0 to 255.
"""

import dataclasses
from collections.abc import Callable, Mapping

from torch import nn

from benchmarks.torch_networks.backbones import AlexNet, MobileNetV2, ResNet50
from benchmarks.torch_networks.nanotrack import NanoTrack
from benchmarks.torch_networks.siamese import AcmBranch, SiamBan, SiamRpn
from benchmarks.torch_networks.siamfc import SiamFc

TEMPLATE_SIZE = 127


@dataclasses.dataclass(frozen=True)
class Reference:
  """Reference network and the sizes of its inputs and outputs.

  Attributes:
    make: Function that builds the network with random weights.
    narrow: Arguments of `make` for a narrow network of the same structure.
    figures: Name of the official outputs in tests/reference.
    search_size: Side of the search images, px.
    cells: Number of cells per side of the outputs.
    stride: Distance between neighbouring cells, px.
    outputs: What the network predicts besides classes: 'distances' to the sides
      of the box, 'offsets' to anchors, or nothing ('response').
  """

  make: Callable[..., nn.Module]
  narrow: Mapping[str, object]
  figures: str
  search_size: int = 255
  cells: int = 25
  stride: int = 8
  outputs: str = 'distances'


def _siamban_acm(stem: int = 64, hidden: int = 256) -> SiamBan:
  return SiamBan(AcmBranch, stem, hidden)


def _siamrpn(stem: int = 64, hidden: int = 256) -> SiamRpn:
  return SiamRpn(ResNet50(stem), hidden, weighted=True)


def _mobile_siamrpn(width: float = 1.4, hidden: int = 256) -> SiamRpn:
  return SiamRpn(MobileNetV2(width), hidden)


def _alex_siamrpn(width: float = 1.0, hidden: int = 256) -> SiamRpn:
  return SiamRpn(AlexNet(width), hidden)


# Keys are names of configs with their arguments.
REFERENCES = {
  'siamban_acm': Reference(
    _siamban_acm, {'stem': 4, 'hidden': 8}, 'siamban_acm_r50'
  ),
  'siamban': Reference(SiamBan, {'stem': 4, 'hidden': 8}, 'siamban_r50'),
  'siamrpn': Reference(
    _siamrpn, {'stem': 4, 'hidden': 8}, 'siamrpn_r50', outputs='offsets'
  ),
  'siamrpn:backbone=mobilenet_v2': Reference(
    _mobile_siamrpn,
    {'width': 0.25, 'hidden': 8},
    'siamrpn_mobilev2',
    outputs='offsets',
  ),
  'siamrpn:backbone=alexnet_legacy': Reference(
    _alex_siamrpn,
    {'width': 0.125, 'hidden': 8},
    'siamrpn_alex',
    search_size=287,
    cells=21,
    outputs='offsets',
  ),
  'siamfc': Reference(
    SiamFc,
    {'width': 0.125},
    'siamfc_alexv1',
    cells=17,
    outputs='response',
  ),
  'nanotrack': Reference(
    NanoTrack,
    {'width': 0.25, 'hidden': 16},
    'nanotrack_v3',
    cells=15,
    stride=16,
  ),
}
