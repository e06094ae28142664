"""Convolution and batch norm as the PyTorch trackers have them.

Neck, fusion and heads of the official code keep PyTorch's default
initialisation, U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases.
"""

import contextlib
import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules.mode import Mode

uniform_fan_in = nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform')
normal_fan_out = nn.initializers.variance_scaling(2.0, 'fan_out', 'normal')

# PyTorch's constants. Under a sharded jit the statistics are those of the
# global batch, where the PyTorch trackers had them per GPU; and the running
# variance is the biased one. Flax's fast variance, E[x^2] - E[x]^2, cancels
# where the mean is far from 0, as that of box sizes in pixels is.
BatchNorm = functools.partial(
  nn.BatchNorm, momentum=0.9, epsilon=1e-5, use_fast_variance=False
)


def freezing_statistics(mode: Mode) -> contextlib.AbstractContextManager:
  """Makes batch norms keep their statistics where `mode` freezes these.

  Inside the context they use running statistics, whatever they are called
  with; so `use_running_average` must be an argument of the call. Their scale
  and bias have gradients as without it.
  """

  def intercept(call, args, kwargs, context):
    module = context.module
    if isinstance(module, nn.BatchNorm) and mode.keeps_statistics(module.path):
      kwargs = {**kwargs, 'use_running_average': True}
    return call(*args, **kwargs)

  return nn.intercept_methods(intercept)


def bias_init(fan_in: int) -> nn.initializers.Initializer:
  """PyTorch's default for a bias: uniform within 1 / sqrt(fan_in)."""

  def init(key, shape, dtype=float):
    bound = fan_in**-0.5
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init


def grouped_conv(
  x: Float[Array, 'b h w c'],
  kernel: Float[Array, 'k l d f'],
  *args,
  feature_group_count: int,
  **kwargs,
) -> Float[Array, 'b y x f']:
  """`lax.conv_general_dilated` in a few groups, a convolution for each.

  Of two groups on a CPU, XLA's own form takes up to three times as long, its
  gradient four.
  """
  parts = [
    jax.lax.conv_general_dilated(*pair, *args, **kwargs)
    for pair in zip(
      jnp.split(x, feature_group_count, axis=-1),
      jnp.split(kernel, feature_group_count, axis=-1),
      strict=True,
    )
  ]
  return jnp.concatenate(parts, axis=-1)


class Conv(nn.Module):
  """Square convolution with explicit padding, NHWC.

  Attributes:
    features: Output channels.
    size: Cells a side of the kernel.
    stride: Step of the output grid.
    padding: Zeros at each edge.
    dilation: Step between the kernel's taps.
    groups: Parts of the channels that do not see each other.
    bias: Whether a bias is added.
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
  """Convolution, batch norm and, if asked, ReLU.

  Attributes:
    norm: Builds the batch norm.
    relu: Whether a ReLU follows.
    ...: As in `Conv`.
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
