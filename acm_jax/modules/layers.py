"""Convolutions and batch norm with the settings of the official trackers.

The official trackers initialise neck, fusion and heads with PyTorch's defaults:
weights and biases are drawn from U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules import convolution
from acm_jax.modules.depthwise import depthwise_conv
from acm_jax.modules.mode import Mode
from acm_jax.modules.prepared import Preparable

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


class Conv(Preparable):
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
    bias_init: Initializer of the bias; if None, PyTorch's.
  """

  replaced: ClassVar[tuple[str, ...]] = ('conv',)

  features: int
  size: int = 1
  stride: int = 1
  padding: int = 0
  dilation: int = 1
  groups: int = 1
  bias: bool = False
  kernel_init: nn.initializers.Initializer = uniform_fan_in
  bias_init: nn.initializers.Initializer | None = None

  def apply_plain(self, x, *, train):
    convolve = functools.partial(convolution.convolve, training=self.may_train)
    fan_in = self.size**2 * x.shape[-1] // self.groups

    # Takes the arguments of `lax.conv_general_dilated`.
    def grouped(x, kernel, *_, **__):
      kernels = jnp.split(kernel, self.groups, axis=-1)
      return self.per_group(convolve, x, kernels)

    conv = nn.Conv(
      self.features,
      (self.size, self.size),
      self.stride,
      padding=self.padding,
      kernel_dilation=self.dilation,
      feature_group_count=self.groups,
      conv_general_dilated=grouped,
      use_bias=self.bias,
      kernel_init=self.kernel_init,
      bias_init=self.bias_init or bias_init(fan_in),
      name='conv',
    )
    return conv(x)

  def out_shape(self, x):
    cells = convolution.cells(x, self.size, **_settings(self))
    return len(x), *cells, self.features

  def prepare(self, x):
    params = self.variables['params']['conv']
    return self.in_groups(params['kernel'], x), params.get('bias')

  def in_groups(
    self, kernel: Float[Array, 'k k d f'], x: Float[Array, 'b h w c']
  ) -> list[convolution.Prepared]:
    """Prepares the kernel of every group for inputs of the shape of `x`."""
    _, cells, *_ = self.out_shape(x)
    return [
      convolution.prepare(
        part, cells, stride=self.stride, dilation=self.dilation
      )
      for part in jnp.split(kernel, self.groups, axis=-1)
    ]

  def apply_prepared(self, x, weights):
    convolve = functools.partial(convolution.convolve_prepared, size=self.size)
    x = self.per_group(convolve, x, weights.kernel)
    return x if weights.bias is None else x + _per_channel(weights.bias)

  def per_group(
    self,
    convolve: Callable[..., Array],
    x: Float[Array, 'b h w c'],
    kernels: Sequence[Any],
  ) -> Float[Array, 'b y x f']:
    """Convolves every group of channels with its own kernel.

    On a CPU, XLA's grouped convolution takes up to three times as long as one
    convolution per group, and its gradient up to four times.

    Args:
      convolve: Function of an input, a kernel, and stride, padding and
        dilation.
      x: Input of all groups.
      kernels: Kernel of each group.
    """
    convolve = functools.partial(convolve, **_settings(self))
    if self.groups == 1:
      return convolve(x, *kernels)
    parts = jnp.split(x, self.groups, axis=-1)
    return jnp.concatenate(list(map(convolve, parts, kernels)), axis=-1)


class ConvBn(Conv):
  """Convolution, batch norm and optionally ReLU.

  `Conv` documents the inherited attributes.

  Attributes:
    norm: Constructor of the batch norm.
    relu: Whether a ReLU follows.
  """

  replaced: ClassVar[tuple[str, ...]] = ('conv', 'bn')

  norm: Callable[..., nn.Module] = BatchNorm
  relu: bool = False

  def apply_plain(self, x, *, train):
    x = super().apply_plain(x, train=train)
    x = self.norm(name='bn')(x, use_running_average=not train)
    return nn.relu(x) if self.relu else x

  def prepare(self, x):
    params = self.variables['params']['conv']
    factor, offset = folded(self, 'bn', self.norm)
    if self.bias:
      offset += params['bias'] * factor
    return self.in_groups(params['kernel'] * _per_channel(factor), x), offset

  def apply_prepared(self, x, weights):
    x = super().apply_prepared(x, weights)
    return nn.relu(x) if self.relu else x


class DepthwiseBn(Preparable):
  """Depthwise convolution with a square kernel, and batch norm.

  Attributes:
    size: Width and height of the kernel.
    stride: Stride along both axes.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """

  replaced: ClassVar[tuple[str, ...]] = ('depthwise', 'depthwise_bn')

  size: int
  stride: int = 1
  padding: int = 0
  dilation: int = 1

  def apply_plain(self, x, *, train):
    shape = (self.size, self.size, 1, x.shape[-1])
    kernel = self.param('depthwise', normal_fan_out, shape)
    x = depthwise_conv(x, kernel, **_settings(self))
    return BatchNorm(name='depthwise_bn')(x, use_running_average=not train)

  def out_shape(self, x):
    return (
      len(x),
      *convolution.cells(x, self.size, **_settings(self)),
      x.shape[-1],
    )

  def prepare(self, x):
    factor, offset = folded(self, 'depthwise_bn', BatchNorm)
    kernel = self.variables['params']['depthwise']
    return kernel * _per_channel(factor), offset

  def apply_prepared(self, x, weights):
    return depthwise_conv(x, weights.kernel, weights.bias, **_settings(self))


def _settings(layer: Conv | DepthwiseBn) -> dict[str, int]:
  """Returns the stride, padding and dilation of a layer."""
  names = 'stride', 'padding', 'dilation'
  return {name: getattr(layer, name) for name in names}


def _per_channel(values: Float[Array, 'f']) -> Float[Array, '1 1 1 f']:
  return values[None, None, None]


def folded(
  layer: nn.Module, name: str, norm: Callable[..., nn.BatchNorm]
) -> tuple[Float[Array, 'f'], Float[Array, 'f']]:
  """Returns factor and offset that a batch norm applies while tracking.

  Args:
    layer: Bound module that contains the batch norm.
    name: Name of the batch norm.
    norm: Constructor of the batch norm.
  """
  params, statistics = (
    layer.variables[kind][name] for kind in ('params', 'batch_stats')
  )
  epsilon = norm(parent=None).epsilon
  factor = params['scale'] * jax.lax.rsqrt(statistics['var'] + epsilon)
  return factor, params['bias'] - statistics['mean'] * factor
