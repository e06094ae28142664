"""Interface of the backbones, and a function that builds them by name."""

import abc
import importlib
from collections.abc import Iterable
from typing import ClassVar

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from acm_jax.modules.mode import Mode

# Name -> (module in this package, function that builds the backbone).
_BACKBONES = {
  'alexnet': ('alexnet', 'alexnet'),
  # Same network as alexnet; the official code names the layers differently.
  'alexnet_legacy': ('alexnet', 'alexnet'),
  'alexnet_v1': ('alexnet_v1', 'alexnet_v1'),
  'mobilenet_v2': ('mobilenet', 'mobilenet_v2'),
  'mobilenet_v3_small': ('mobilenet_v3', 'mobilenet_v3_small'),
  'resnet18': ('resnet', 'resnet18'),
  'resnet34': ('resnet', 'resnet34'),
  'resnet50': ('resnet', 'resnet50'),
}


class Backbone(nn.Module):
  """Feature extractor. The features of all levels have the same spatial size.

  Attributes:
    levels: Stages to take features from, numbered as in the papers.
    width: Factor that multiplies the number of channels of every layer. The
      published network has width 1.
    stride: Distance between neighbouring feature cells, px of the image.
  """

  stride: ClassVar[int] = 8

  levels: tuple[int, ...]
  width: float = 1.0

  @abc.abstractmethod
  def __call__(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    """Computes the features of all levels, from shallow to deep."""

  @abc.abstractmethod
  def cells(self, size: int) -> int:
    """Returns the number of feature cells per side for images of `size` px."""

  @abc.abstractmethod
  def features(self, level: int) -> int:
    """Returns the number of channels of a level."""

  def channels(self, features: int) -> int:
    """Returns `features` * `width`, rounded to a multiple of 8, at least 8."""
    return max(8, 8 * round(features * self.width / 8))


def run_block(
  block: nn.Module, x: Float[Array, '*s'], mode: Mode
) -> Float[Array, '*t']:
  """Applies a block of layers, which is a function of `x` and `train`.

  Args:
    block: Block.
    x: Input of the block.
    mode: Parts of the network that train.
  """
  train = mode.trains(block.path)
  if not mode.remat:
    return block(x, train=train)
  return nn.remat(lambda block, x: block(x, train=train))(block, x)


def stop_while_frozen(
  x: Float[Array, '*s'], layers: Iterable[nn.Module], mode: Mode
) -> Float[Array, '*s']:
  """Stops the gradient of `x` if none of `layers` trains.

  Args:
    x: Output of the last layer.
    layers: All layers from the input to `x`.
    mode: Parts of the network that train.
  """
  if any(mode.trains(layer.path) for layer in layers):
    return x
  return jax.lax.stop_gradient(x)


def make(name: str, **kwargs) -> Backbone:
  """Builds a backbone by name.

  Args:
    name: Name of the backbone.
    **kwargs: Arguments of the backbone: `levels`, `width` or both.

  Raises:
    ValueError: The name is unknown, the width is not a positive number, or the
      backbone lacks one of the levels.
  """
  width = kwargs.get('width', 1.0)
  if not isinstance(width, int | float) or width <= 0:
    raise ValueError(f'`width`={width!r}: give a factor above 0')
  if name not in _BACKBONES:
    known = ', '.join(sorted(_BACKBONES))
    raise ValueError(f'unknown backbone {name!r}; choose from {known}')
  module, function = _BACKBONES[name]
  module = importlib.import_module(f'acm_jax.modules.{module}')
  return getattr(module, function)(**kwargs)
