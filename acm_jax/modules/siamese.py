"""Siamese network with several levels; trackers define its outputs.

Template and search region pass through the same backbone and neck. At every
level of the backbone, two branches fuse the features: one classifies locations,
the other predicts boxes.
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
  """Fuses template and search region at several levels and mixes the outputs.

  Attributes:
    backbone: Feature extractor.
    template_size: Side of the template crop, px.
    fusion: Name of the fusion.
    hidden: Channels of neck, fusion and head at each level.
    outputs: Output channels of the classification and of the localisation.
    fusion_options: Further arguments of the fusion, as (name, value) pairs.
    head_size: Width and height of the head's kernels.
    has_neck: Whether a neck maps the levels to `hidden` channels.
    weighted: Whether learned weights mix the outputs of the levels; otherwise
      the outputs are averaged.
    largest_template: Maximum number of cells per side of the template features.
      Larger features are cropped to their centre.

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

    cls_outputs, loc_outputs = self.outputs

    def make_branches(outputs, adjust, bias_init=None):
      return {
        str(level): branches.make(
          self.fusion,
          outputs,
          hidden,
          self.template_cells,
          dict(self.fusion_options),
          head_size=self.head_size,
          adjust=adjust,
          bias_init=bias_init,
        )
        for level, hidden in zip(levels, self.hidden, strict=True)
      }

    self.cls = make_branches(cls_outputs, False)
    self.loc = make_branches(loc_outputs, True, self.loc_bias_init)
    if self.weighted:
      ones = nn.initializers.ones
      self.cls_weight = self.param('cls_weight', ones, (len(levels),))
      self.loc_weight = self.param('loc_weight', ones, (len(levels),))

  @property
  def loc_bias_init(self) -> nn.initializers.Initializer | None:
    """Initializer of the bias of the localisation; if None, PyTorch's."""
    return None

  @property
  def template_cells(self) -> int:
    """Number of cells per side of the cropped template features."""
    return min(self.backbone.cells(self.template_size), self.largest_template)

  def response_size(self, search_size: int) -> int:
    """Returns the number of cells per side of the output.

    Args:
      search_size: Side of the search crop, px.
    """
    return branches.response_size(
      self.fusion,
      self.backbone.cells(search_size),
      self.template_cells,
      dict(self.fusion_options),
    )

  def features(
    self, image: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b y y _'], ...]:
    """Computes the features of every level, after the neck if there is one."""
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
    """Computes the kernels of all levels and branches, once per sequence.

    Args:
      template: Template crops, in the colours that the network expects.
      box_size: w, h of the targets in the template crops, px of the crop.
      mode: Parts of the network that train.

    Returns:
      Dictionary that maps 'cls' and 'loc' to dictionaries from levels to
      kernels.
    """
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

  def respond_per_level(
    self, kernel: Kernel, search: Float[Array, 'b h h 3'], *, mode: Mode
  ) -> tuple[Float[Array, 'b r r o l'], Float[Array, 'b r r p l']]:
    """Computes the classification and the localisation of every level.

    Returns:
      Both outputs. Their last axis holds the levels.
    """
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
    loc = respond(self.loc, kernel['loc'], 'loc')
    return cls, loc

  def mix(
    self, cls: Float[Array, 'b r r o l'], loc: Float[Array, 'b r r p l']
  ) -> tuple[Float[Array, 'b r r o'], Float[Array, 'b r r p']]:
    """Mixes the levels, which are the last axis of each output.

    Returns:
      The mixed classification and localisation.
    """
    if not self.weighted:
      return jnp.mean(cls, axis=-1), jnp.mean(loc, axis=-1)
    return (
      _weighted_sum(cls, self.cls_weight),
      _weighted_sum(loc, self.loc_weight),
    )

  def respond(
    self, kernel: Kernel, search: Float[Array, 'b h h 3'], *, mode: Mode = EVAL
  ) -> Any:
    """Computes the outputs for search crops; subclasses define this method."""
    raise NotImplementedError

  def __call__(
    self,
    template: Float[Array, 'b hz hz 3'],
    box_size: Float[Array, 'b 2'],
    search: Float[Array, 'b hx hx 3'],
    *,
    mode: Mode = EVAL,
  ):
    """Runs `encode`, then `respond`."""
    kernel = self.encode(template, box_size, mode=mode)
    return self.respond(kernel, search, mode=mode)


def _weighted_sum(
  levels: Float[Array, 'b r r o l'], weight: Float[Array, 'l']
) -> Float[Array, 'b r r o']:
  """Computes the sum of the levels, weighted by the softmax of `weight`.

  A matrix product is avoided, because its precision may be reduced.
  """
  normalised = jax.nn.softmax(weight)[None, None, None, None]
  return jnp.sum(levels * normalised, axis=-1)
