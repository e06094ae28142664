"""SiamFC network, which computes a response map from one backbone level."""

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules import fusion as fusions
from acm_jax.modules.backbone import Backbone
from acm_jax.modules.layers import Conv
from acm_jax.modules.mode import EVAL, Mode
from acm_jax.modules.neck import center_crop

Kernel = Float[Array, 'b y y *k']


class SiamFcNetwork(nn.Module):
  """Fuses the backbone's template and search features without a neck.

  With cross-correlation, the response is the output. With another fusion, a 1x1
  convolution maps the channels of the response to one logit.

  Deviation: SiamFC with the fusion `acm` may differ from the SiamFC-ACM of
  ACM's authors, who released no code for it. As in the paper, ACM's kernels
  are as large as the template features (6x6). The layers after ACM's sum are
  those of the released SiamBAN-ACM. There is no head.

  Attributes:
    backbone: Feature extractor with exactly one level.
    template_size: Side of the template crop, px.
    fusion: Name of the fusion.
    fusion_options: Further arguments of the fusion, as (name, value) pairs.
    largest_template: Maximum number of cells per side of the template features.
      Larger features are cropped to their centre.

  Source: SiamFC (arXiv:1606.09549), section 2.
  """

  backbone: Backbone
  template_size: int
  fusion: str = 'xcorr'
  fusion_options: tuple[tuple[str, bool], ...] = ()
  largest_template: int = 7

  def setup(self):
    self.fusing = fusions.make(
      self.fusion,
      self.backbone.features(self.backbone.levels[0]),
      self.template_cells,
      **dict(self.fusion_options),
    )
    if self.fusing.out_features > 1:
      self.out = Conv(1, bias=True)

  @property
  def template_cells(self) -> int:
    """Number of cells per side of the cropped template features."""
    return min(self.backbone.cells(self.template_size), self.largest_template)

  def response_size(self, search_size: int) -> int:
    """Returns the number of cells per side of the output.

    Args:
      search_size: Side of the search crop, px.
    """
    fusion = fusions.make(
      self.fusion, 1, self.template_cells, **dict(self.fusion_options)
    )
    return fusion.response_size(self.backbone.cells(search_size))

  def encode(
    self,
    template: Float[Array, 'b h h 3'],
    box_size: Float[Array, 'b 2'],
    *,
    mode: Mode = EVAL,
  ) -> Kernel:
    """Encodes the template, once per sequence.

    Args:
      template: Template crops, in the colours that the network expects.
      box_size: w, h of the targets in the template crops, px of the crop.
      mode: Parts of the network that train.

    Returns:
      The kernel that `respond` takes.
    """
    (features,) = self.backbone(template, mode=mode)
    features = center_crop(features, self.largest_template)
    return self.fusing.encode(
      features, box_size, train=mode.trains(self.fusing.path)
    )

  def respond(
    self,
    kernel: Kernel,
    search: Float[Array, 'b h h 3'],
    *,
    mode: Mode = EVAL,
  ) -> Float[Array, 'b r r']:
    """Computes the logit of every location."""
    (features,) = self.backbone(search, mode=mode)
    response = self.fusing.fuse(
      kernel, features, train=mode.trains(self.fusing.path)
    )
    self.sow('intermediates', 'response', response)
    if self.fusing.out_features > 1:
      response = self.out(response)
    return response[..., 0]

  def __call__(
    self,
    template: Float[Array, 'b hz hz 3'],
    box_size: Float[Array, 'b 2'],
    search: Float[Array, 'b hx hx 3'],
    *,
    mode: Mode = EVAL,
  ) -> Float[Array, 'b r r']:
    """Runs `encode`, then `respond`."""
    kernel = self.encode(template, box_size, mode=mode)
    return self.respond(kernel, search, mode=mode)
