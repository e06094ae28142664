"""AlexNet of SiamFC, with groups, and with no batch norm in the last layer.

Each layer applies convolution, batch norm, ReLU and pooling in this order.
Only the first two layers have pooling, and the last layer is only a
convolution.

Source: SiamFC (arXiv:1606.09549), table 1.
"""

import functools
from typing import NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules.backbone import Backbone, run_block, stop_while_frozen
from acm_jax.modules.layers import BatchNorm, Conv, ConvBn, normal_fan_out
from acm_jax.modules.mode import Mode
from acm_jax.modules.pooling import max_pool

_BatchNorm = functools.partial(BatchNorm, momentum=0.95, epsilon=1e-6)


class _Layer(NamedTuple):
  """A convolution. If `pooled`, a 3x3 pooling of stride 2 follows."""

  features: int
  size: int
  stride: int
  groups: int
  pooled: bool


_LAYERS = (
  _Layer(96, 11, 2, 1, True),
  _Layer(256, 5, 1, 2, True),
  _Layer(384, 3, 1, 1, False),
  _Layer(384, 3, 1, 2, False),
  _Layer(256, 3, 1, 2, False),
)


class AlexNetV1(Backbone):
  """AlexNet with groups. Its only level is 5."""

  @nn.compact
  def __call__(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    x, layers = image, []
    last = len(_LAYERS) - 1
    for stage, layer in enumerate(_LAYERS):
      settings = {
        'features': self.channels(layer.features),
        'size': layer.size,
        'stride': layer.stride,
        'groups': layer.groups,
        'bias': True,
        'kernel_init': normal_fan_out,
        'name': f'layer{stage + 1}',
      }
      if stage == last:
        conv = Conv(**settings)
        x = conv(x)
      else:
        conv = ConvBn(**settings, norm=_BatchNorm, relu=True)
        x = run_block(conv, x, mode)
      if layer.pooled:
        x = max_pool(x)
      layers.append(conv)
      x = stop_while_frozen(x, layers, mode)
    return (x,)

  def cells(self, size: int) -> int:
    for layer in _LAYERS:
      size = (size - layer.size) // layer.stride + 1
      if layer.pooled:
        size = (size - 3) // 2 + 1
    return size

  def features(self, level: int) -> int:
    return self.channels(_LAYERS[level - 1].features)


def alexnet_v1(levels: tuple[int, ...] = (5,), width: float = 1.0) -> AlexNetV1:
  """Builds the AlexNet of SiamFC.

  Raises:
    ValueError: `levels` is not (5,).
  """
  if tuple(levels) != (5,):
    raise ValueError(
      f'`levels`={tuple(levels)}: alexnet_v1 has only level 5; give (5,)'
    )
  return AlexNetV1(levels=(5,), width=width)
