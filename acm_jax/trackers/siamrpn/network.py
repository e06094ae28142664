"""SiamRPN networks, which predict class and offsets of every anchor."""

from jaxtyping import Array, Float

from acm_jax.modules.mode import EVAL, Mode
from acm_jax.modules.siamese import Kernel, SiameseNetwork
from acm_jax.trackers.siamese import Outputs


class SiamRpnNetwork(SiameseNetwork):
  """Network of SiamRPN (fusion `up_xcorr`) and SiamRPN++ (`dw_xcorr`).

  Source: SiamRPN (CVPR 2018); SiamRPN++ (arXiv:1812.11703).
  """

  def respond(
    self,
    kernel: Kernel,
    search: Float[Array, 'b h h 3'],
    *,
    mode: Mode = EVAL,
  ) -> Outputs:
    """Computes logits (background, target) and offsets (dx, dy, dw, dh)."""
    cls, loc = self.respond_per_level(kernel, search, mode=mode)
    cls, loc = self.mix(cls, loc)
    return Outputs(cls=_by_anchor(cls, 2), loc=_by_anchor(loc, 4))


def _by_anchor(
  output: Float[Array, 'b r r o'], values: int
) -> Float[Array, 'b r r k v']:
  """Splits the channel axis into an axis of anchors and an axis of values.

  The index of the value varies slowest along the channels, as in the official
  code.
  """
  split = output.reshape(*output.shape[:-1], values, -1)
  return split.swapaxes(-1, -2)
