"""Alternative implementations of operators, for `acm-jax speed --against`.

The results are the same as those of the package's operators
(tests/timing_test.py). The package does not use these implementations, because
each of them is slower on some device.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from acm_jax.timing.form import Form, in_jax

_LAYOUT = ('NHWC', 'HWIO', 'NHWC')


def vmapped_grouped(search, kernel):
  """Computes depthwise correlation by one grouped convolution per sample.

  Args:
    search: Search features [b h w c].
    kernel: Kernel of each sample [b y x c].
  """

  def one(search, kernel):
    return jax.lax.conv_general_dilated(
      search[None],
      kernel[:, :, None],
      (1, 1),
      'VALID',
      dimension_numbers=_LAYOUT,
      feature_group_count=search.shape[-1],
    )[0]

  return jax.vmap(one)(search, kernel)


def one_grouped(search, kernel):
  """Computes depthwise correlation by one convolution for all samples.

  Every channel of every sample is a group of its own.

  Args:
    search: Search features [b h w c].
    kernel: Kernel of each sample [b y x c].
  """
  b, h, w, c = search.shape
  y, x = kernel.shape[1:3]
  folded = search.transpose(1, 2, 0, 3).reshape(1, h, w, b * c)
  kernels = kernel.transpose(1, 2, 0, 3).reshape(y, x, 1, b * c)
  response = jax.lax.conv_general_dilated(
    folded,
    kernels,
    (1, 1),
    'VALID',
    dimension_numbers=_LAYOUT,
    feature_group_count=b * c,
  )
  rows, cols = response.shape[1:3]
  return response.reshape(rows, cols, b, c).transpose(2, 0, 1, 3)


def vmapped_convolution(search, kernels):
  """Correlates each sample with its own kernels, using `jax.vmap`.

  Args:
    search: Search features [b h w c].
    kernels: Kernels of each sample [b y x c o].
  """

  def one(search, kernels):
    return jax.lax.conv_general_dilated(
      search[None], kernels, (1, 1), 'VALID', dimension_numbers=_LAYOUT
    )[0]

  return jax.vmap(one)(search, kernels)


def grouped_depthwise(x, kernel, *, stride, padding, dilation):
  """Computes a depthwise convolution by XLA's grouped convolution.

  Args:
    x: Features [b h w c].
    kernel: Kernel [y x 1 c].
    stride: Stride in both directions.
    padding: Number of zeros on each side.
    dilation: Distance between taps of the kernel, in cells.
  """
  return of_xla(
    x,
    kernel,
    stride=stride,
    padding=padding,
    dilation=dilation,
    groups=x.shape[-1],
  )


def of_xla(x, kernel, *, stride, padding, dilation, groups=1):
  """Computes a convolution by XLA's convolution, also for 1x1 kernels.

  Args:
    x: Features [b h w c].
    kernel: Kernel [k k c/groups f].
    stride: Stride along both axes.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
    groups: Number of groups of channels.
  """
  return jax.lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    ((padding, padding), (padding, padding)),
    rhs_dilation=(dilation, dilation),
    dimension_numbers=_LAYOUT,
    feature_group_count=groups,
  )


def of_patches(x, kernel, *, stride, padding, dilation):
  """Computes a convolution as one matrix product with patches of the image.

  Args:
    x: Image [b h w c].
    kernel: Kernel [k k c f].
    stride: Stride along both axes.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """
  x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
  size = len(kernel)
  spans = [cells - (size - 1) * dilation for cells in x.shape[1:3]]
  taps = range(0, size * dilation, dilation)
  patches = [
    x[:, i : i + spans[0] : stride, j : j + spans[1] : stride]
    for i in taps
    for j in taps
  ]
  matrix = kernel.reshape(-1, kernel.shape[-1])
  return jnp.concatenate(patches, axis=-1) @ matrix


def torch_convolution(*, depthwise: bool = False, **settings) -> Form:
  """Returns a `Form` of a convolution in PyTorch, with channels first.

  Args:
    depthwise: Whether every channel has its own kernel.
    **settings: `stride`, `padding` and `dilation`.
  """
  import torch

  from benchmarks.torch_steps.device import DEVICE, Pending

  def tensors(arrays):
    x, kernel = (
      torch.from_numpy(jnp.asarray(a, jnp.float32).__array__().copy()).to(
        DEVICE, getattr(torch, str(a.dtype))
      )
      for a in arrays
    )
    kernel = kernel.permute(3, 2, 0, 1).contiguous()
    return x.permute(0, 3, 1, 2).contiguous(), kernel

  def apply(x, kernel):
    groups = x.shape[1] if depthwise else 1
    return torch.nn.functional.conv2d(x, kernel, groups=groups, **settings)

  def forward(*arrays):
    x, kernel = tensors(arrays)

    def run():
      with torch.no_grad():
        apply(x, kernel)
      return Pending()

    return run

  def gradient(*arrays):
    x, kernel = (t.requires_grad_() for t in tensors(arrays))
    cotangent = torch.randn_like(apply(x, kernel))

    def run():
      torch.autograd.grad(apply(x, kernel), (x, kernel), cotangent)
      return Pending()

    return run

  return Form(forward, gradient)


def _xcorr(template, search):
  return 1e-3 * vmapped_convolution(search, template[..., None])


def _up_xcorr(outputs: int) -> Callable:
  def up_xcorr(template, search):
    shape = (*template.shape[:3], outputs, search.shape[-1])
    kernels = template.reshape(shape).swapaxes(-1, -2)
    return vmapped_convolution(search, kernels)

  return up_xcorr


def _fusion(function: Callable) -> Callable[[], Form]:
  """Adapts a function of search and kernel to a fusion's order of arguments."""
  return lambda: in_jax(lambda template, search: function(search, template))


OTHERS = {
  'dw_xcorr': {
    'vmapped grouped': _fusion(vmapped_grouped),
    'one grouped': _fusion(one_grouped),
  },
  'xcorr': {'vmapped': lambda: in_jax(_xcorr)},
  'up_xcorr': {'vmapped': lambda outputs: in_jax(_up_xcorr(outputs))},
  'depthwise_conv': {
    'grouped': lambda **settings: in_jax(
      functools.partial(grouped_depthwise, **settings)
    ),
    'torch': functools.partial(torch_convolution, depthwise=True),
  },
  'conv': {
    'xla': lambda **settings: in_jax(functools.partial(of_xla, **settings)),
    'patches': lambda **settings: in_jax(
      functools.partial(of_patches, **settings)
    ),
    'torch': torch_convolution,
  },
}
