"""The SiamBAN network: backbone, neck, two branches a level, their mixture."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules import fusion as fusions
from acm_jax.modules.backbone import Backbone
from acm_jax.modules.branch import ADAPTER, Branch
from acm_jax.modules.mode import EVAL, Mode
from acm_jax.modules.neck import Neck, center_crop
from acm_jax.tracking.contract import Outputs

Kernel = dict[str, Any]


class SiamBanNetwork(nn.Module):
  """Fuses template and search at several levels.

  Attributes:
    backbone: Feature extractor.
    template_size: Side of the template crop, px.
    fusion: Name of the fusion.
    fusion_options: Its further arguments, as (name, value) pairs.
    head_size: Cells a side of the head's kernels.
    hidden: Channels of the neck, the fusion and the head.
    has_neck: Whether a neck brings the levels to `hidden` channels.
    largest_template: The template's features are cut to at most this many
      cells in their middle.

  Source: SiamBAN (arXiv:2003.06761); with ACM, arXiv:2012.02776.
  """

  backbone: Backbone
  template_size: int
  fusion: str
  fusion_options: tuple[tuple[str, bool], ...] = ()
  head_size: int = 1
  hidden: int = 256
  has_neck: bool = True
  largest_template: int = 7

  def setup(self):
    levels = self.backbone.levels
    cells = self.template_cells - ADAPTER + 1
    if self.has_neck:
      self.neck = Neck(self.hidden, levels)

    def branches(outputs):
      return {
        str(level): Branch(
          outputs,
          self.hidden,
          fusions.make(
            self.fusion, self.hidden, cells, **dict(self.fusion_options)
          ),
          self.head_size,
        )
        for level in levels
      }

    self.cls = branches(2)
    self.loc = branches(4)
    ones = nn.initializers.ones
    self.cls_weight = self.param('cls_weight', ones, (len(levels),))
    self.loc_weight = self.param('loc_weight', ones, (len(levels),))
    self.loc_scale = self.param('loc_scale', ones, (len(levels),))

  @property
  def template_cells(self) -> int:
    """Cells a side of the template's features."""
    return min(self.backbone.cells(self.template_size), self.largest_template)

  def features(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    """Features of every level."""
    features = self.backbone(image, mode=mode)
    return self.neck(features, train=mode.head) if self.has_neck else features

  def encode(
    self,
    template: Float[Array, 'b h h 3'],
    box_size: Float[Array, 'b 2'],
    *,
    mode: Mode = EVAL,
  ) -> Kernel:
    """Kernels of every level and branch, once per sequence."""
    features = [
      center_crop(x, self.largest_template)
      for x in self.features(template, mode=mode)
    ]

    def encode(branches):
      return {
        level: branch.encode(x, box_size, train=mode.head)
        for (level, branch), x in zip(branches.items(), features, strict=True)
      }

    return {'cls': encode(self.cls), 'loc': encode(self.loc)}

  def respond(
    self,
    kernel: Kernel,
    search: Float[Array, 'b h h 3'],
    *,
    mode: Mode = EVAL,
  ) -> Outputs:
    """Logits (background, target) and distances (left, top, right, bottom)."""
    features = self.features(search, mode=mode)

    def respond(branches, kernels, name):
      outputs = []
      for (level, branch), x in zip(branches.items(), features, strict=True):
        output, response = branch.respond(kernels[level], x, train=mode.head)
        self.sow('intermediates', f'{name}{level}', response)
        outputs.append(output)
      return jnp.stack(outputs, axis=-1)

    cls = respond(self.cls, kernel['cls'], 'cls')
    loc = respond(self.loc, kernel['loc'], 'loc')
    # Distances are mixed after the exponential, as pixels.
    loc = jnp.exp(loc * self.loc_scale[None, None, None, None])
    return Outputs(
      cls=_weighted_sum(cls, self.cls_weight),
      loc=_weighted_sum(loc, self.loc_weight),
    )

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


def _weighted_sum(
  levels: Float[Array, 'b r r o l'], weight: Float[Array, 'l']
) -> Float[Array, 'b r r o']:
  """Mixes levels; no matrix product, whose precision may be lowered."""
  share = jax.nn.softmax(weight)[None, None, None, None]
  return jnp.sum(levels * share, axis=-1)
