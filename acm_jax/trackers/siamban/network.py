"""SiamBAN network, which predicts distances to the sides of the box."""

import math

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules.mode import EVAL, Mode
from acm_jax.modules.siamese import Kernel, SiameseNetwork
from acm_jax.trackers.siamese import Outputs


class SiamBanNetwork(SiameseNetwork):
  """Network that predicts two logits and four distances per location.

  Source: SiamBAN (arXiv:2003.06761); with ACM, arXiv:2012.02776.
  """

  outputs: tuple[int, int] = (2, 4)

  def setup(self):
    super().setup()
    ones = nn.initializers.ones
    levels = len(self.backbone.levels)
    self.loc_scale = self.param('loc_scale', ones, (levels,))

  @property
  def loc_bias_init(self) -> nn.initializers.Initializer:
    """Initializer of the bias of the distances' logarithms.

    The crops give a square target half of the template's side. Boxes start near
    this size, because the loss 1 - IoU has almost no gradient for boxes that
    are far too small.
    """
    return nn.initializers.constant(math.log(self.template_size / 4))

  def respond(
    self,
    kernel: Kernel,
    search: Float[Array, 'b h h 3'],
    *,
    mode: Mode = EVAL,
  ) -> Outputs:
    """Computes logits and distances.

    Returns:
      For each location, logits (background, target) and distances (left, top,
      right, bottom). Distances are in px of the search crop.
    """
    cls, loc = self.respond_per_level(kernel, search, mode=mode)
    # Levels are mixed in pixels, after the exponential.
    loc = jnp.exp(loc * self.loc_scale[None, None, None, None])
    cls, loc = self.mix(cls, loc)
    return Outputs(cls=cls, loc=loc)
