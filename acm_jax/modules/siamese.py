"""A network of two inputs and several levels, which each tracker ends its way.

Backbone and neck see template and search region; at every level two branches
fuse them, one for the class of a place and one for the box.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules import branch as branches
from acm_jax.modules.backbone import Backbone
from acm_jax.modules.mode import EVAL, Mode
from acm_jax.modules.neck import Neck, center_crop

Kernel = dict[str, Any]


class SiameseNetwork(nn.Module):
  """Fuses template and search at several levels and mixes their outputs.

  Attributes:
    backbone: Feature extractor.
    template_size: Side of the template crop, px.
    fusion: Name of the fusion.
    fusion_options: Its further arguments, as (name, value) pairs.
    head_size: Cells a side of the head's kernels.
    hidden: Channels of the neck, the fusion and the head at each level.
    outputs: Channels of classification and localisation.
    has_neck: Whether a neck brings the levels to `hidden` channels.
    weighted: Whether the levels are mixed by learned weights, or averaged.
    largest_template: The template's features are cut to at most this many
      cells in their middle.

  Source: SiamRPN++ (arXiv:1812.11703), section 3.4.
  """

  backbone: Backbone
  template_size: int
  fusion: str
  hidden: tuple[int, ...]
  outputs: tuple[int, int]
  fusion_options: tuple[tuple[str, bool], ...] = ()
  head_size: int = 1
  has_neck: bool = True
  weighted: bool = True
  largest_template: int = 7

  def setup(self):
    levels = self.backbone.levels
    if self.has_neck:
      self.neck = Neck(self.hidden, levels)

    def make_branches(outputs, adjust):
      return {
        str(level): branches.make(
          self.fusion,
          outputs,
          hidden,
          self.template_cells,
          dict(self.fusion_options),
          head_size=self.head_size,
          adjust=adjust,
        )
        for level, hidden in zip(levels, self.hidden, strict=True)
      }

    self.cls = make_branches(self.outputs[0], adjust=False)
    self.loc = make_branches(self.outputs[1], adjust=True)
    if self.weighted:
      ones = nn.initializers.ones
      self.cls_weight = self.param('cls_weight', ones, (len(levels),))
      self.loc_weight = self.param('loc_weight', ones, (len(levels),))

  @property
  def template_cells(self) -> int:
    """Cells a side of the template's features."""
    return min(self.backbone.cells(self.template_size), self.largest_template)

  def response_size(self, search_size: int) -> int:
    """Cells a side of the output for a search crop of `search_size` px."""
    return branches.response_size(
      self.fusion, self.backbone.cells(search_size), self.template_cells
    )

  def features(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    """Features of every level."""
    features = self.backbone(image, mode=mode)
    if self.has_neck:
      return self.neck(features, train=mode.trains(self.neck.path))
    return features

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

    def encode(branch_of):
      return {
        level: branch.encode(x, box_size, train=mode.trains(branch.path))
        for (level, branch), x in zip(branch_of.items(), features, strict=True)
      }

    return {'cls': encode(self.cls), 'loc': encode(self.loc)}

  def at_levels(
    self, kernel: Kernel, search: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b r r o l'], Float[Array, 'b r r p l']]:
    """Classification and localisation of every level, before they are mixed."""
    features = self.features(search, mode=mode)

    def respond(branch_of, kernels, name):
      outputs = []
      for (level, branch), x in zip(branch_of.items(), features, strict=True):
        output, response = branch.respond(
          kernels[level], x, train=mode.trains(branch.path)
        )
        self.sow('intermediates', f'{name}{level}', response)
        outputs.append(output)
      return jnp.stack(outputs, axis=-1)

    cls = respond(self.cls, kernel['cls'], 'cls')
    return cls, respond(self.loc, kernel['loc'], 'loc')

  def mixed(
    self, cls: Float[Array, 'b r r o l'], loc: Float[Array, 'b r r p l']
  ) -> tuple[Float[Array, 'b r r o'], Float[Array, 'b r r p']]:
    """The levels' outputs as one."""
    if not self.weighted:
      return jnp.mean(cls, axis=-1), jnp.mean(loc, axis=-1)
    return (
      _weighted_sum(cls, self.cls_weight),
      _weighted_sum(loc, self.loc_weight),
    )

  def respond(
    self, kernel: Kernel, search: Float[Array, 'b h h 3'], *, mode: Mode = EVAL
  ) -> Any:
    """Outputs for search crops; each tracker has its own."""
    raise NotImplementedError

  def __call__(
    self,
    template: Float[Array, 'b hz hz 3'],
    box_size: Float[Array, 'b 2'],
    search: Float[Array, 'b hx hx 3'],
    *,
    mode: Mode = EVAL,
  ):
    """`encode`, then the `respond` of the tracker's own network."""
    kernel = self.encode(template, box_size, mode=mode)
    return self.respond(kernel, search, mode=mode)


def _weighted_sum(
  levels: Float[Array, 'b r r o l'], weight: Float[Array, 'l']
) -> Float[Array, 'b r r o']:
  """Mixes levels; no matrix product, whose precision may be lowered."""
  share = jax.nn.softmax(weight)[None, None, None, None]
  return jnp.sum(levels * share, axis=-1)
