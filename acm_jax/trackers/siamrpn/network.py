"""The SiamRPN networks: a class and an offset for every anchor."""

from jaxtyping import Array, Float

from acm_jax.modules.mode import EVAL, Mode
from acm_jax.modules.siamese import Kernel, SiameseNetwork
from acm_jax.tracking.contract import Outputs


class SiamRpnNetwork(SiameseNetwork):
  """SiamRPN with fusion `up_xcorr`, SiamRPN++ with `dw_xcorr`.

  Source: SiamRPN (CVPR 2018); SiamRPN++ (arXiv:1812.11703).
  """

  def respond(
    self,
    kernel: Kernel,
    search: Float[Array, 'b h h 3'],
    *,
    mode: Mode = EVAL,
  ) -> Outputs:
    """Logits (background, target) and offsets (dx, dy, dw, dh) of anchors."""
    cls, loc = self.mixed(*self.at_levels(kernel, search, mode=mode))
    return Outputs(cls=_by_anchor(cls, 2), loc=_by_anchor(loc, 4))


def _by_anchor(
  output: Float[Array, 'b r r o'], values: int
) -> Float[Array, 'b r r k v']:
  """Channels, value before anchor as in the official code, taken apart."""
  apart = output.reshape(*output.shape[:-1], values, -1)
  return apart.swapaxes(-1, -2)
