"""AlexNet without padding, as SiamRPN and its descendants have it.

Source: SiamFC (arXiv:1606.09549), table 1, without groups and with 256
channels at the end; the order is convolution, batch norm, pooling, ReLU.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules.backbone import Backbone, stop_while_frozen
from acm_jax.modules.layers import ConvBn
from acm_jax.modules.mode import Mode

# Channels, kernel size, stride, pooled after, of each layer.
_LAYERS = (
  (96, 11, 2, True),
  (256, 5, 1, True),
  (384, 3, 1, False),
  (384, 3, 1, False),
  (256, 3, 1, False),
)


class AlexNet(Backbone):
  """Five convolutions; level 5 is the only one."""

  @nn.compact
  def __call__(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    x, layers = image, []
    last = len(_LAYERS) - 1
    for stage, (features, size, stride, pooled) in enumerate(_LAYERS):
      layer = ConvBn(
        self.channels(features),
        size,
        stride,
        bias=True,
        name=f'layer{stage + 1}',
      )
      x = layer(x, train=mode.trains(layer.path))
      if pooled:
        x = nn.max_pool(x, (3, 3), (2, 2))
      if stage < last:
        x = nn.relu(x)
      layers.append(layer)
      x = stop_while_frozen(x, layers, mode)
    return (x,)

  def cells(self, size: int) -> int:
    for _, kernel, stride, pooled in _LAYERS:
      size = (size - kernel) // stride + 1
      if pooled:
        size = (size - 3) // 2 + 1
    return size

  def features(self, level: int) -> int:
    return self.channels(_LAYERS[level - 1][0])


def alexnet(levels: tuple[int, ...] = (5,), width: float = 1.0) -> AlexNet:
  """AlexNet of the SiamRPN family.

  Raises:
    ValueError: A level other than 5 is asked for.
  """
  if tuple(levels) != (5,):
    raise ValueError(f'alexnet has level 5 alone, not {tuple(levels)}')
  return AlexNet((5,), width)
