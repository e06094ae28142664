"""The SiamBAN network: distances to the box's sides, in pixels."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules.mode import EVAL, Mode
from acm_jax.modules.siamese import Kernel, SiameseNetwork
from acm_jax.tracking.contract import Outputs


class SiamBanNetwork(SiameseNetwork):
  """Two classes and four distances at every place.

  Source: SiamBAN (arXiv:2003.06761); with ACM, arXiv:2012.02776.
  """

  outputs: tuple[int, int] = (2, 4)

  def setup(self):
    super().setup()
    ones = nn.initializers.ones
    levels = len(self.backbone.levels)
    self.loc_scale = self.param('loc_scale', ones, (levels,))

  def respond(
    self,
    kernel: Kernel,
    search: Float[Array, 'b h h 3'],
    *,
    mode: Mode = EVAL,
  ) -> Outputs:
    """Logits (background, target) and distances (left, top, right, bottom)."""
    cls, loc = self.at_levels(kernel, search, mode=mode)
    # Distances are mixed after the exponential, as pixels.
    loc = jnp.exp(loc * self.loc_scale[None, None, None, None])
    cls, loc = self.mixed(cls, loc)
    return Outputs(cls=cls, loc=loc)
