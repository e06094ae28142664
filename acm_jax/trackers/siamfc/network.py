"""The SiamFC network: one backbone, one fusion, one map."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules import fusion as fusions
from acm_jax.modules.backbone import Backbone
from acm_jax.modules.layers import Conv
from acm_jax.modules.mode import EVAL, Mode
from acm_jax.modules.neck import center_crop
from acm_jax.tracking.contract import Outputs

Kernel = Float[Array, 'b y y *k']


class SiamFcNetwork(nn.Module):
  """Fuses the features of template and search, without adapters between.

  With cross correlation the response is the output. Another fusion has many
  channels, of which a 1x1 convolution makes the map.

  Deviation: the authors of ACM released no code of SiamFC-ACM. Its kernels are
  as large as the template's features (6x6), as the paper has it; the tail is
  the one that they released for SiamBAN, without the head that follows there.

  Attributes:
    backbone: Feature extractor of one level.
    template_size: Side of the template crop, px.
    fusion: Name of the fusion.
    fusion_options: Its further arguments, as (name, value) pairs.
    largest_template: The template's features are cut to at most this many
      cells in their middle.

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
    """Cells a side of the template's features."""
    return min(self.backbone.cells(self.template_size), self.largest_template)

  def response_size(self, search_size: int) -> int:
    """Cells a side of the output for a search crop of `search_size` px."""
    fusion = fusions.make(self.fusion, 1, self.template_cells)
    return fusion.response_size(self.backbone.cells(search_size))

  def encode(
    self,
    template: Float[Array, 'b h h 3'],
    box_size: Float[Array, 'b 2'],
    *,
    mode: Mode = EVAL,
  ) -> Kernel:
    """What the fusion makes of the template, once per sequence."""
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
  ) -> Outputs:
    """A logit for every place; nothing is said of the box."""
    (features,) = self.backbone(search, mode=mode)
    response = self.fusing.fuse(
      kernel, features, train=mode.trains(self.fusing.path)
    )
    self.sow('intermediates', 'response', response)
    cls = self.out(response) if self.fusing.out_features > 1 else response
    return Outputs(cls=cls, loc=jnp.zeros((*cls.shape[:-1], 0)))

  def __call__(
    self,
    template: Float[Array, 'b hz hz 3'],
    box_size: Float[Array, 'b 2'],
    search: Float[Array, 'b hx hx 3'],
    *,
    mode: Mode = EVAL,
  ) -> Outputs:
    """`encode`, then `respond`."""
    kernel = self.encode(template, box_size, mode=mode)
    return self.respond(kernel, search, mode=mode)
