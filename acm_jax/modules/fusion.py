"""Fusions of template and search features into a response map.

A fusion encodes the template once per sequence (`encode`) and fuses it with the
search region once per frame (`fuse`). The class of a fusion declares whether
the response needs a head and how large the response is.
"""

import abc
import dataclasses
import functools
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.geometry import grid
from acm_jax.modules import convolution, plain
from acm_jax.modules.layers import (
  BatchNorm,
  ConvBn,
  bias_init,
  uniform_fan_in,
)
from acm_jax.modules.prepared import Preparable


def depthwise_xcorr(
  search: Float[Array, 'b h w c'], kernel: Float[Array, 'b y x c']
) -> Float[Array, 'b i j c']:
  """Correlates every channel of every sample with its own kernel.

  Adds one shifted product per tap of the kernel; XLA fuses the sum into one
  pass. XLA's grouped convolution, which is the plain form, is 50 to 80 times
  slower on a CPU. Sums are accumulated in float32, whatever the type of
  `search`.
  """
  if plain.selected():
    return _grouped(search, kernel[:, :, :, None])
  rows = search.shape[1] - kernel.shape[1] + 1
  cols = search.shape[2] - kernel.shape[2] + 1
  wide, weights = search.astype(jnp.float32), kernel.astype(jnp.float32)
  response = sum(
    wide[:, i : i + rows, j : j + cols] * weights[:, i : i + 1, j : j + 1]
    for i in range(kernel.shape[1])
    for j in range(kernel.shape[2])
  )
  return response.astype(search.dtype)


def xcorr(
  search: Float[Array, 'b h w c'], kernel: Float[Array, 'b y x c o']
) -> Float[Array, 'b i j o']:
  """Correlates every sample with its own kernels, and sums over channels.

  One matrix product multiplies all cells by all taps of the kernels. The
  products of each window are then summed. A convolution with one group per
  sample, which is the plain form, would process only a few channels at a time.
  """
  if plain.selected():
    return _grouped(search, kernel)
  rows = search.shape[1] - kernel.shape[1] + 1
  cols = search.shape[2] - kernel.shape[2] + 1
  scores = jnp.einsum('bhwc,byxco->byxhwo', search, kernel)
  return sum(
    scores[:, i, j, i : i + rows, j : j + cols]
    for i in range(kernel.shape[1])
    for j in range(kernel.shape[2])
  )


def _grouped(search, kernel):
  """Convolves every sample with its own kernel, by groups of channels."""
  batch, rows, cols, inputs, _ = kernel.shape
  x = jnp.moveaxis(search, 0, 2).reshape(1, *search.shape[1:3], -1)
  response = jax.lax.conv_general_dilated(
    x,
    jnp.moveaxis(kernel, 0, 3).reshape(rows, cols, inputs, -1),
    (1, 1),
    'VALID',
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=x.shape[-1] // inputs,
  )
  return jnp.moveaxis(response.reshape(*response.shape[1:3], batch, -1), 2, 0)


class Fusion(nn.Module):
  """Base class of the fusions.

  Attributes:
    has_head: Whether a head computes the outputs from the response. Otherwise
      the response is the output, and the fusion has an attribute `outputs`.
    head_size: Default width and height of the head's kernels.
    features: Channels of the search features.
    template_cells: Number of cells per side of the template features. The
      network computes this number from the backbone and the template size.
  """

  has_head: ClassVar[bool] = True
  head_size: ClassVar[int] = 1

  features: int
  template_cells: int

  @property
  def out_features(self) -> int:
    """Channels of the response."""
    return self.features

  def response_size(self, search_cells: int) -> int:
    """Returns the number of cells per side of the response.

    Args:
      search_cells: Number of cells per side of the search features.
    """
    return grid.response_size(search_cells, self.template_cells)

  @abc.abstractmethod
  def encode(
    self,
    template: Float[Array, 'b z z _'],
    box_size: Float[Array, 'b 2'],
    *,
    train: bool,
  ) -> Float[Array, 'b y y *k']:
    """Encodes the template, once per sequence.

    Args:
      template: Template features.
      box_size: w, h of the target in the template crop, px of the crop.
      train: Whether batch norms use batch statistics, not running statistics.

    Returns:
      The kernel that `fuse` takes.
    """

  @abc.abstractmethod
  def fuse(
    self,
    kernel: Float[Array, 'b y y *k'],
    search: Float[Array, 'b h h c'],
    *,
    train: bool,
  ) -> Float[Array, 'b r r o']:
    """Computes the response from `encode`'s kernel and the search features."""

  def __call__(
    self,
    template: Float[Array, 'b z z _'],
    box_size: Float[Array, 'b 2'],
    search: Float[Array, 'b h h c'],
    *,
    train: bool = False,
  ) -> Float[Array, 'b r r o']:
    """Runs `encode`, then `fuse`."""
    kernel = self.encode(template, box_size, train=train)
    return self.fuse(kernel, search, train=train)


class DepthwiseXCorr(Fusion):
  """Depth-wise cross-correlation: the template features are the kernel.

  Source: SiamRPN++ (arXiv:1812.11703), section 3.5.
  """

  def encode(self, template, box_size, *, train):
    return template

  def fuse(self, kernel, search, *, train):
    return depthwise_xcorr(search, kernel)


class XCorr(Fusion):
  """Cross-correlation: inner products of the template with search windows.

  The response has a single channel and is multiplied by `SCALE`.

  Source: SiamFC (arXiv:1606.09549), section 3.1; `SCALE` is from SiamFC's
  released code.
  """

  SCALE = 1e-3

  @property
  def out_features(self) -> int:
    return 1

  def encode(self, template, box_size, *, train):
    return template

  def fuse(self, kernel, search, *, train):
    return self.SCALE * xcorr(search, kernel[..., None])


class UpXCorr(Fusion):
  """Cross-correlation with one kernel per output channel; there is no head.

  The template features hold the kernels of all output channels along the
  channel axis, `features` channels per kernel.

  Attributes:
    outputs: Number of kernels, and of channels of the response.

  Source: SiamRPN (CVPR 2018), section 4.2.
  """

  has_head: ClassVar[bool] = False

  outputs: int = 1

  @property
  def out_features(self) -> int:
    return self.outputs

  def encode(self, template, box_size, *, train):
    shape = (*template.shape[:3], self.outputs, self.features)
    return template.reshape(shape).swapaxes(-1, -2)

  def fuse(self, kernel, search, *, train):
    return xcorr(search, kernel)


class BoxPrior(nn.Module):
  """Three-layer perceptron from the first frame's box size to a feature vector.

  Attributes:
    features: Output channels.
    hidden: Channels of the two hidden layers.
  """

  features: int
  hidden: int = 32

  @nn.compact
  def __call__(
    self, box_size: Float[Array, 'b 2'], *, train: bool
  ) -> Float[Array, 'b c']:
    def dense(x, features, index, bias=True):
      return nn.Dense(
        features,
        use_bias=bias,
        kernel_init=uniform_fan_in,
        bias_init=bias_init(x.shape[-1]),
        name=f'dense{index}',
      )(x)

    # The size is not normalised, as in the official code; batch norms follow.
    x = box_size
    for layer in range(2):
      x = dense(x, self.hidden, layer)
      x = BatchNorm(name=f'bn{layer}')(x, use_running_average=not train)
      x = nn.relu(x)
    return dense(x, self.features, 2, bias=False)


class Theta(Preparable):
  """ACM's convolution of one of its inputs, with stride 1 and no padding.

  Attributes:
    kernel: Name of the kernel.
    features: Input and output channels.
    size: Width and height of the kernel.
  """

  kernel: str
  features: int
  size: int

  @property
  def replaced(self) -> tuple[str, ...]:
    return (self.kernel,)

  def apply_plain(self, x, *, train):
    shape = (self.size, self.size, self.features, self.features)
    kernel = self.param(self.kernel, uniform_fan_in, shape)
    return convolution.convolve(x, kernel, training=self.may_train)

  def out_shape(self, x):
    return len(x), *convolution.cells(x, self.size), self.features

  def prepare(self, x):
    _, cells, *_ = self.out_shape(x)
    kernel = self.variables['params'][self.kernel]
    return convolution.prepare(kernel, cells, stride=1, dilation=1), None

  def apply_prepared(self, x, weights):
    return convolution.convolve_prepared(x, weights.kernel, size=self.size)


class Acm(Fusion):
  """Asymmetric convolution: fuses maps of different sizes by learned weights.

  The template z is concatenated with every window x_ij of the search region
  and convolved. The convolution splits into two terms; the template's term is
  the same at every location. Prior knowledge of the target is a third term:

      [theta_z theta_x] * [z; x_ij] = theta_z * z + theta_x * x_ij
      response = tail(theta_z * z + theta_x * x_ij + prior(box size))

  `encode` computes the terms of the template and the prior once per sequence.
  `fuse` computes one convolution per frame; the sum broadcasts over locations.
  theta_z and theta_x are as large as the template features.

  Deviation: the paper mentions no convolution after the sum. The tail here is
  that of the released code: batch norm, ReLU, a 3x3 convolution, batch norm and
  ReLU. With `extra_conv=False`, the tail is only batch norm and ReLU.

  Attributes:
    prior: Whether to add the term `prior(box size)`.
    extra_conv: Whether the tail includes the released code's 3x3 convolution.

  Source: Han et al., CVPR 2021 (arXiv:2012.02776).
  """

  # As in the released code.
  head_size: ClassVar[int] = 3

  prior: bool = True
  extra_conv: bool = True

  def setup(self):
    cells, features = self.template_cells, self.features
    fan_in = cells**2 * features
    self.conv_z = Theta('theta_z', features, cells)
    self.conv_x = Theta('theta_x', features, cells)
    for conv in (self.conv_z, self.conv_x):
      nn.share_scope(self, conv)
    self.bias = self.param('bias', bias_init(fan_in), (features,))
    self.bn = BatchNorm()
    if self.prior:
      self.box_prior = BoxPrior(features)
    if self.extra_conv:
      self.extra = ConvBn(features, 3, padding=1, bias=True, relu=True)

  def encode(self, template, box_size, *, train):
    kernel = self.conv_z(template)
    kernel += self.bias[None, None, None]
    if self.prior:
      kernel += self.box_prior(box_size, train=train)[:, None, None]
    return kernel

  def fuse(self, kernel, search, *, train):
    response = self.conv_x(search) + kernel
    response = nn.relu(self.bn(response, use_running_average=not train))
    return self.extra(response, train=train) if self.extra_conv else response


FUSIONS = {
  'acm': Acm,
  'dw_xcorr': DepthwiseXCorr,
  'up_xcorr': UpXCorr,
  'xcorr': XCorr,
}


def names() -> list[str]:
  """Returns the names of all fusions."""
  return sorted(FUSIONS)


def get(name: str) -> type[Fusion]:
  """Returns the class of a fusion.

  Raises:
    ValueError: The name is unknown.
  """
  if name not in FUSIONS:
    raise ValueError(
      f'unknown fusion {name!r}; choose from {", ".join(names())}'
    )
  return FUSIONS[name]


def options(kind: type[Fusion]) -> tuple[str, ...]:
  """Returns the names of the arguments of `kind` that are not in `Fusion`."""
  base = {field.name for field in dataclasses.fields(Fusion)}
  return tuple(
    field.name for field in dataclasses.fields(kind) if field.name not in base
  )


def check_options(
  name: str, given: Mapping[str, Any], known: Collection[str]
) -> None:
  """Checks that the names of all arguments in `given` are in `known`.

  Raises:
    ValueError: A name is unknown.
  """
  if unknown := sorted(set(given) - set(known)):
    choices = f'choose from {", ".join(known)}' if known else 'remove it'
    raise ValueError(
      f'`fusion_options`: the fusion {name} has no option '
      f'{", ".join(unknown)}; {choices}'
    )


def make(name: str, features: int, template_cells: int, **kwargs) -> Fusion:
  """Builds a fusion by name.

  The fusion has no parent module yet. The module that the fusion is assigned to
  becomes its parent.

  Args:
    name: Name of the fusion.
    features: Channels of the search features.
    template_cells: Number of cells per side of the template features.
    **kwargs: Arguments that the fusion's class adds to `Fusion`.

  Raises:
    ValueError: The name or an argument is unknown.
  """
  kind = get(name)
  check_options(name, kwargs, options(kind))
  return kind(
    features=features, template_cells=template_cells, parent=None, **kwargs
  )


@functools.cache
def check(fusion: Fusion) -> None:
  """Checks that a fusion's response has the shape that its class declares.

  The head and the targets are built for the declared shape.

  Raises:
    ValueError: The response does not have this shape.
  """
  cells = fusion.template_cells + 4

  # Nothing is computed here, neither the inputs nor the key.
  def respond():
    template, search = (
      jnp.zeros((1, size, size, fusion.features))
      for size in (fusion.template_cells, cells)
    )
    box_size, key = jnp.zeros((1, 2)), jax.random.key(0)
    return fusion.init_with_output(key, template, box_size, search)[0]

  actual = jax.eval_shape(respond).shape
  size = fusion.response_size(cells)
  expected = (1, size, size, fusion.out_features)
  if actual != expected:
    raise ValueError(
      f'fusion {type(fusion).__name__}: for {cells} search cells the response '
      f'has the shape {actual}, but `response_size` and `out_features` declare '
      f'{expected}; make them agree'
    )
