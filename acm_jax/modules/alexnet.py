"""AlexNet without padding, as in SiamRPN and its descendants.

Each layer applies convolution, batch norm, pooling and ReLU in this order.
Only the first two layers have pooling, and the last layer has no ReLU.

Source: SiamFC (arXiv:1606.09549), table 1, but without groups and with 256
channels in the last layer.
"""

from typing import NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules.backbone import Backbone, run_block, stop_while_frozen
from acm_jax.modules.layers import ConvBn
from acm_jax.modules.mode import Mode
from acm_jax.modules.pooling import max_pool


class _Layer(NamedTuple):
  """A convolution. If `pooled`, a 3x3 pooling of stride 2 follows."""

  features: int
  size: int
  stride: int
  pooled: bool


_LAYERS = (
  _Layer(96, 11, 2, True),
  _Layer(256, 5, 1, True),
  _Layer(384, 3, 1, False),
  _Layer(384, 3, 1, False),
  _Layer(256, 3, 1, False),
)


class AlexNet(Backbone):
  """AlexNet without groups. Its only level is 5."""

  @nn.compact
  def __call__(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    x, layers = image, []
    last = len(_LAYERS) - 1
    for stage, layer in enumerate(_LAYERS):
      conv = ConvBn(
        self.channels(layer.features),
        layer.size,
        layer.stride,
        bias=True,
        name=f'layer{stage + 1}',
      )
      x = run_block(conv, x, mode)
      if layer.pooled:
        x = max_pool(x)
      if stage < last:
        x = nn.relu(x)
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


def alexnet(levels: tuple[int, ...] = (5,), width: float = 1.0) -> AlexNet:
  """Builds the AlexNet of the SiamRPN family.

  Raises:
    ValueError: `levels` is not (5,).
  """
  if tuple(levels) != (5,):
    raise ValueError(
      f'`levels`={tuple(levels)}: alexnet has only level 5; give (5,)'
    )
  return AlexNet(levels=(5,), width=width)
