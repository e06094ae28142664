"""Fusions of NanoTrack, which pad the search features.

At stride 16, the template has 8x8 cells and the search region has 16x16 cells.
These are too few to correlate the whole template without padding. Therefore the
central 4x4 cells of the template are correlated with a padded search region.
The pixel-wise correlation uses every cell of the template as a 1x1 kernel,
which needs no padding. Along each axis, the response has one cell less than the
search features.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules.fusion import Acm, Fusion, depthwise_xcorr
from acm_jax.modules.layers import Conv, ConvBn, normal_fan_out
from acm_jax.modules.neck import center_crop
from acm_jax.modules.separable import SeparableConv

# Number of cells per side of the template's central part.
MIDDLE = 4


def pixelwise_xcorr(
  search: Float[Array, 'b h w c'], kernel: Float[Array, 'b y x c']
) -> Float[Array, 'b h w n']:
  """Computes inner products of all search cells with all template cells.

  Returns:
    One channel for each of the n = y * x template cells, row by row.

  Source: Alpha-Refine (arXiv:2012.06815), section 3.2.
  """
  cells = kernel.reshape(kernel.shape[0], -1, kernel.shape[-1])
  return jnp.einsum('bhwc,bnc->bhwn', search, cells)


def _pad_to_fit(
  search: Float[Array, 'b h h c'], kernel_cells: int
) -> Float[Array, 'b y y c']:
  """Pads search features for a correlation with a kernel of `kernel_cells`.

  Along each axis, the correlation then has one cell less than `search`.
  """
  edge = kernel_cells // 2 - 1
  return jnp.pad(search, ((0, 0), (edge, edge), (edge, edge), (0, 0)))


class _Padded(Fusion):
  """A fusion that pads the search features."""

  def response_size(self, search_cells):
    return search_cells - 1


class _Adapted(_Padded):
  """A fusion with a 1x1 convolution and batch norm on both inputs."""

  def setup(self):
    def adapter():
      return ConvBn(self.features, bias=True, kernel_init=normal_fan_out)

    self.conv_kernel = adapter()
    self.conv_search = adapter()

  def encode(self, template, box_size, *, train):
    return self.conv_kernel(template, train=train)


class ChannelAttention(nn.Module):
  """Multiplies each channel by a weight computed from all channels' means."""

  @nn.compact
  def __call__(self, x: Float[Array, 'b h w c']) -> Float[Array, 'b h w c']:
    means = jnp.mean(x, axis=(1, 2), keepdims=True)
    inner = nn.relu(Conv(x.shape[-1], bias=True, name='fc1')(means))
    return x * nn.sigmoid(Conv(x.shape[-1], bias=True, name='fc2')(inner))


class PixelXCorr(_Adapted):
  """Pixel-wise correlation with channel attention."""

  @property
  def out_features(self) -> int:
    return self.template_cells**2

  def setup(self):
    super().setup()
    self.attention = ChannelAttention()
    # The 2x2 kernel removes one cell per axis. This aligns the response with
    # the response of `MiddleXCorr`, whose kernels have an even size.
    self.spread = SeparableConv(self.out_features, 2, padding=0, bias=True)

  def fuse(self, kernel, search, *, train):
    search = self.conv_search(search, train=train)
    response = self.attention(pixelwise_xcorr(search, kernel))
    return self.spread(response, train=train)


class MiddleXCorr(_Adapted):
  """Depth-wise correlation with the template's central cells."""

  def encode(self, template, box_size, *, train):
    return super().encode(center_crop(template, MIDDLE), box_size, train=train)

  def fuse(self, kernel, search, *, train):
    search = self.conv_search(search, train=train)
    return depthwise_xcorr(_pad_to_fit(search, kernel.shape[1]), kernel)


class NanoXCorr(_Padded):
  """Pixel-wise and depth-wise correlation, mixed by a 1x1 convolution.

  Source: the released NanoTrackV3.
  """

  def setup(self):
    self.pixel = PixelXCorr(self.features, self.template_cells)
    self.depth = MiddleXCorr(self.features, self.template_cells)
    self.mix = Conv(self.features, bias=True, kernel_init=normal_fan_out)

  def encode(self, template, box_size, *, train):
    return {
      'pixel': self.pixel.encode(template, box_size, train=train),
      'depth': self.depth.encode(template, box_size, train=train),
    }

  def fuse(self, kernel: dict[str, Any], search, *, train):
    responses = (
      self.pixel.fuse(kernel['pixel'], search, train=train),
      self.depth.fuse(kernel['depth'], search, train=train),
    )
    return self.mix(jnp.concatenate(responses, axis=-1))


class NanoAcm(_Adapted):
  """ACM that fuses the template's central cells with a padded search region.

  Attributes:
    cells: Number of cells per side of the template's central part and of ACM's
      kernels.
    prior: Whether to add the term of the box size, as in `Acm`.
    extra_conv: Whether the tail includes a 3x3 convolution, as in `Acm`.

  Source: Han et al., CVPR 2021 (arXiv:2012.02776). The sizes of the features
  are those of NanoTrack.
  """

  cells: int = MIDDLE
  prior: bool = True
  extra_conv: bool = False

  def setup(self):
    super().setup()
    self.acm = Acm(
      self.features, self.cells, prior=self.prior, extra_conv=self.extra_conv
    )

  def encode(self, template, box_size, *, train):
    template = center_crop(template, self.cells)
    template = super().encode(template, box_size, train=train)
    return self.acm.encode(template, box_size, train=train)

  def fuse(self, kernel, search, *, train):
    search = self.conv_search(search, train=train)
    return self.acm.fuse(kernel, _pad_to_fit(search, self.cells), train=train)
