"""What a backbone is to the networks, and the backbones by name."""

import abc
import importlib
from collections.abc import Iterable
from typing import ClassVar

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from acm_jax.modules.mode import Mode

# Name -> (module of this package, function that builds it).
_BACKBONES = {
  'alexnet': ('alexnet', 'alexnet'),
  # The same network; the official code has other names for its parts.
  'alexnet_legacy': ('alexnet', 'alexnet'),
  'alexnet_v1': ('alexnet_v1', 'alexnet_v1'),
  'mobilenet_v2': ('mobilenet', 'mobilenet_v2'),
  'mobilenet_v3_small': ('mobilenet_v3', 'mobilenet_v3_small'),
  'resnet18': ('resnet', 'resnet18'),
  'resnet34': ('resnet', 'resnet34'),
  'resnet50': ('resnet', 'resnet50'),
}


class Backbone(nn.Module):
  """Feature extractor in stages, with all of its levels on one grid.

  Attributes:
    levels: The stages whose outputs are the features, numbered as in the
      papers.
    width: Factor on the channels of every layer; 1 is the published network.
    stride: Pixels of the image from cell to cell of the grid.
  """

  stride: ClassVar[int] = 8

  levels: tuple[int, ...]
  width: float = 1.0

  @abc.abstractmethod
  def __call__(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    """Features of each level, coarsest semantics last."""

  @abc.abstractmethod
  def cells(self, size: int) -> int:
    """Cells a side of the features of an image of `size` pixels a side."""

  @abc.abstractmethod
  def features(self, level: int) -> int:
    """Channels of a level's features."""

  def channels(self, features: int) -> int:
    """A layer's channels at this width: a multiple of 8, and 8 at least."""
    return max(8, 8 * round(features * self.width / 8))


def stop_while_frozen(
  x: Float[Array, '*s'], layers: Iterable[nn.Module], mode: Mode
) -> Float[Array, '*s']:
  """Cuts the gradient after `layers`, all from the input on, if none trains."""
  if any(mode.trains(layer.path) for layer in layers):
    return x
  return jax.lax.stop_gradient(x)


def make(name: str, **kwargs) -> Backbone:
  """Builds a backbone by name.

  Raises:
    ValueError: The name is unknown.
  """
  if name not in _BACKBONES:
    raise ValueError(
      f'no backbone {name!r}: there are {", ".join(sorted(_BACKBONES))}'
    )
  module, function = _BACKBONES[name]
  module = importlib.import_module(f'acm_jax.modules.{module}')
  return getattr(module, function)(**kwargs)
