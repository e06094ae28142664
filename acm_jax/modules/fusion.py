"""How template and search features become one response map.

A fusion encodes the template once per sequence (`encode`) and fuses it with the
search region once per frame (`fuse`). Its class declares whether it needs a
head, and how large its response is.
"""

import abc
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.geometry import grid
from acm_jax.modules.layers import (
  BatchNorm,
  ConvBn,
  bias_init,
  uniform_fan_in,
)


def valid_conv(
  x: Float[Array, 'b h w c'], kernel: Float[Array, 'y x c f']
) -> Float[Array, 'b i j f']:
  """Valid convolution (correlation, no flip) of stride 1."""
  return jax.lax.conv_general_dilated(
    x, kernel, (1, 1), 'VALID', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )


def depthwise_xcorr(
  search: Float[Array, 'b h w c'], kernel: Float[Array, 'b y x c']
) -> Float[Array, 'b i j c']:
  """Correlates every channel of every sample with its own kernel.

  A sum over the kernel's taps of shifted products, which XLA fuses into one
  pass; the grouped convolution is 50 to 80 times slower on a CPU. Sums are
  float32 whatever the type.
  """
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
  """Correlates every sample with its own kernels, summed over channels.

  One matrix product gives every cell's score with every tap; the scores of a
  window are then summed. A convolution with a group for every sample has to
  make do with few channels at a time.
  """
  rows = search.shape[1] - kernel.shape[1] + 1
  cols = search.shape[2] - kernel.shape[2] + 1
  scores = jnp.einsum('bhwc,byxco->byxhwo', search, kernel)
  return sum(
    scores[:, i, j, i : i + rows, j : j + cols]
    for i in range(kernel.shape[1])
    for j in range(kernel.shape[2])
  )


class Fusion(nn.Module):
  """Base of the fusions.

  Attributes:
    has_head: Whether a head makes the outputs of the response. If not, the
      response is the output, and the fusion has an attribute `outputs`.
    head_size: Cells a side of the kernels of that head, by default.
    features: Channels of the search features.
    template_cells: Cells a side of the template features. The network computes
      it from the backbone and the template size.
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
    """Cells a side of the response to search features of `search_cells`."""
    return grid.response_size(search_cells, self.template_cells)

  @abc.abstractmethod
  def encode(
    self,
    template: Float[Array, 'b z z _'],
    box_size: Float[Array, 'b 2'],
    *,
    train: bool,
  ) -> Float[Array, 'b y y *k']:
    """What is computed once per sequence.

    Args:
      template: Template features.
      box_size: w, h of the template's box, px of the template crop.
      train: Whether batch norms use and update batch statistics.
    """

  @abc.abstractmethod
  def fuse(
    self,
    kernel: Float[Array, 'b y y *k'],
    search: Float[Array, 'b h h c'],
    *,
    train: bool,
  ) -> Float[Array, 'b r r o']:
    """The response of a search region to what `encode` gave."""

  def __call__(
    self,
    template: Float[Array, 'b z z _'],
    box_size: Float[Array, 'b 2'],
    search: Float[Array, 'b h h c'],
    *,
    train: bool = False,
  ) -> Float[Array, 'b r r o']:
    """`encode`, then `fuse`."""
    kernel = self.encode(template, box_size, train=train)
    return self.fuse(kernel, search, train=train)


class DepthwiseXCorr(Fusion):
  """Depth-wise cross correlation: the template features are the kernel.

  Source: SiamRPN++ (arXiv:1812.11703), section 3.5.
  """

  def encode(self, template, box_size, *, train):
    return template

  def fuse(self, kernel, search, *, train):
    return depthwise_xcorr(search, kernel)


class XCorr(Fusion):
  """Cross correlation: one map, the inner product with every window.

  Source: SiamFC (arXiv:1606.09549), section 3.1; the factor is that of its
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
  """Cross correlation with many kernels: the response is the output.

  The template features hold a kernel of `features` channels for each output,
  one after the other.

  Attributes:
    outputs: Number of kernels.

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
  """Three-layer perceptron on the first frame's box size.

  Attributes:
    features: Channels of the result.
    hidden: Channels of the two inner layers.
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

    # Raw pixels, as in the official code: the batch norms bring the scale.
    x = box_size
    for layer in range(2):
      x = dense(x, self.hidden, layer)
      x = BatchNorm(name=f'bn{layer}')(x, use_running_average=not train)
      x = nn.relu(x)
    return dense(x, self.features, 2, bias=False)


class Acm(Fusion):
  """Asymmetric convolution: fuses maps of different sizes by learned weights.

  A convolution over the concatenation of the template with every search
  window x_ij splits in two, because the template's half is the same at every
  place, and what else is known of the target joins as one more summand:

      [theta_z theta_x] * [z; x_ij] = theta_z * z + theta_x * x_ij
      response = tail(theta_z * z + theta_x * x_ij + prior(box size))

  `encode` does the template's and the prior's part once per sequence, `fuse`
  one convolution per frame; the sum broadcasts over the places. The kernels
  are as large as the template features.

  Deviation: the paper's text has no convolution after the sum; the released
  code has batch norm, ReLU, a 3x3 convolution, batch norm and ReLU there.
  `extra_conv=False` leaves batch norm and ReLU alone.

  Attributes:
    prior: Whether the box size of the first frame joins the sum.
    extra_conv: Whether the 3x3 convolution of the released code follows.

  Source: Han et al., CVPR 2021 (arXiv:2012.02776).
  """

  # As in the released code.
  head_size: ClassVar[int] = 3

  prior: bool = True
  extra_conv: bool = True

  def setup(self):
    shape = (self.template_cells, self.template_cells)
    shape += (self.features, self.features)
    fan_in = self.template_cells**2 * self.features
    self.theta_z = self.param('theta_z', uniform_fan_in, shape)
    self.theta_x = self.param('theta_x', uniform_fan_in, shape)
    self.bias = self.param('bias', bias_init(fan_in), (self.features,))
    self.bn = BatchNorm()
    if self.prior:
      self.box_prior = BoxPrior(self.features)
    if self.extra_conv:
      self.extra = ConvBn(self.features, 3, padding=1, bias=True, relu=True)

  def encode(self, template, box_size, *, train):
    kernel = valid_conv(template, self.theta_z)
    kernel += self.bias[None, None, None]
    if self.prior:
      kernel += self.box_prior(box_size, train=train)[:, None, None]
    return kernel

  def fuse(self, kernel, search, *, train):
    response = valid_conv(search, self.theta_x) + kernel
    response = nn.relu(self.bn(response, use_running_average=not train))
    return self.extra(response, train=train) if self.extra_conv else response


FUSIONS = {
  'acm': Acm,
  'dw_xcorr': DepthwiseXCorr,
  'up_xcorr': UpXCorr,
  'xcorr': XCorr,
}


def names() -> list[str]:
  """The fusions there are."""
  return sorted(FUSIONS)


def get(name: str) -> type[Fusion]:
  """The class of a fusion.

  Raises:
    ValueError: The name is unknown.
  """
  if name not in FUSIONS:
    raise ValueError(f'no fusion {name!r}: there are {", ".join(names())}')
  return FUSIONS[name]


def make(name: str, features: int, template_cells: int, **kwargs) -> Fusion:
  """Builds a fusion by name, to be owned by the module it is handed to.

  Raises:
    ValueError: The name is unknown.
  """
  return get(name)(features, template_cells, parent=None, **kwargs)
