"""Convolution and batch norm with the settings of the official trackers.

The official trackers initialise neck, fusion and heads with PyTorch's defaults:
weights and biases are drawn from U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules.mode import Mode

uniform_fan_in = nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')
normal_fan_out = nn.initializers.variance_scaling(2.0, 'fan_out', 'normal')

# Momentum and epsilon are PyTorch's. There are two differences from PyTorch.
# Under a sharded jit, statistics are computed over the global batch, not per
# GPU. The running variance is the biased estimate.
# Flax's fast variance, E[x^2] - E[x]^2, is not used: it suffers from
# cancellation if the mean is far from 0, like the mean of box sizes in px.
BatchNorm = functools.partial(
  nn.BatchNorm, momentum=0.9, epsilon=1e-5, use_fast_variance=False
)


def freezing_statistics(mode: Mode) -> contextlib.AbstractContextManager:
  """Returns a context manager that freezes batch-norm statistics.

  Inside the context, batch norms for which `mode.keeps_statistics` is true use
  their running statistics, even if called with `use_running_average=False`.
  Their scales and biases still receive gradients. Modules must pass
  `use_running_average` in the call, not to the constructor.
  """

  def intercept(call, args, kwargs, context):
    module = context.module
    if isinstance(module, nn.BatchNorm) and mode.keeps_statistics(module.path):
      kwargs = {**kwargs, 'use_running_average': True}
    return call(*args, **kwargs)

  return nn.intercept_methods(intercept)


def bias_init(fan_in: int) -> nn.initializers.Initializer:
  """Returns PyTorch's bias initializer, uniform within +-1 / sqrt(fan_in)."""

  def init(key, shape, dtype=float):
    bound = fan_in**-0.5
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init


def grouped_conv(
  x: Float[Array, 'b h w c'],
  kernel: Float[Array, 'k l d f'],
  strides: Sequence[int],
  padding: str | Sequence[tuple[int, int]],
  *,
  feature_group_count: int,
  **settings: Any,
) -> Float[Array, 'b y x f']:
  """Computes a grouped convolution as one convolution per group.

  Takes the arguments of `lax.conv_general_dilated`. For two groups on a CPU,
  XLA's grouped convolution takes up to three times as long, and its gradient up
  to four times.

  Args:
    x: Input.
    kernel: Kernels of all groups, concatenated along the output channels.
    strides: Strides along y and x.
    padding: Padding at the edges.
    feature_group_count: Number of groups.
    **settings: Further arguments of `lax.conv_general_dilated`.
  """
  parts = [
    jax.lax.conv_general_dilated(x, kernel, strides, padding, **settings)
    for x, kernel in zip(
      jnp.split(x, feature_group_count, axis=-1),
      jnp.split(kernel, feature_group_count, axis=-1),
      strict=True,
    )
  ]
  return jnp.concatenate(parts, axis=-1)


class Conv(nn.Module):
  """Convolution with a square kernel and explicit padding, NHWC.

  Attributes:
    features: Output channels.
    size: Width and height of the kernel.
    stride: Stride along both axes.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
    groups: Number of groups of channels, which are convolved separately.
    bias: Whether to add a bias.
    kernel_init: Initializer of the kernel.
  """

  features: int
  size: int = 1
  stride: int = 1
  padding: int = 0
  dilation: int = 1
  groups: int = 1
  bias: bool = False
  kernel_init: nn.initializers.Initializer = uniform_fan_in

  @nn.compact
  def __call__(self, x: Float[Array, 'b h w c']) -> Float[Array, 'b y x f']:
    conv = nn.Conv(
      self.features,
      (self.size, self.size),
      self.stride,
      padding=self.padding,
      kernel_dilation=self.dilation,
      feature_group_count=self.groups,
      conv_general_dilated=grouped_conv if self.groups > 1 else None,
      use_bias=self.bias,
      kernel_init=self.kernel_init,
      bias_init=bias_init(self.size**2 * x.shape[-1] // self.groups),
      name='conv',
    )
    return conv(x)


class ConvBn(Conv):
  """Convolution, batch norm and optionally ReLU.

  `Conv` documents the inherited attributes.

  Attributes:
    norm: Constructor of the batch norm.
    relu: Whether a ReLU follows.
  """

  norm: Callable[..., nn.Module] = BatchNorm
  relu: bool = False

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b h w c'], *, train: bool
  ) -> Float[Array, 'b y x f']:
    x = super().__call__(x)
    x = self.norm(name='bn')(x, use_running_average=not train)
    return nn.relu(x) if self.relu else x
