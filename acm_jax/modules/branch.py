"""One output of one level: adapters, fusion and head."""

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules.fusion import Fusion
from acm_jax.modules.layers import Conv, ConvBn

# Cells a side of the adapters' kernels; they have no padding.
ADAPTER = 3


class Branch(nn.Module):
  """Maps template and search features to one output map.

  Each side has a 3x3 convolution of its own, so that classification and
  regression may look for different things; then the fusion; then the head,
  two convolutions with batch norm and ReLU between.

  Attributes:
    outputs: Channels of the output.
    hidden: Channels inside.
    fusion: How the adapted features become a response.
    head_size: Cells a side of the head's kernels: 1 with depth-wise
      correlation, 3 in the released ACM head (there with a bias).
  """

  outputs: int
  hidden: int
  fusion: Fusion
  head_size: int = 1

  def setup(self):
    self.conv_kernel = ConvBn(self.hidden, ADAPTER, relu=True)
    self.conv_search = ConvBn(self.hidden, ADAPTER, relu=True)
    same = self.head_size // 2
    self.head = ConvBn(
      self.hidden,
      self.head_size,
      padding=same,
      bias=self.head_size > 1,
      relu=True,
    )
    self.out = Conv(self.outputs, self.head_size, padding=same, bias=True)

  def encode(
    self,
    template: Float[Array, 'b z z _'],
    box_size: Float[Array, 'b 2'],
    *,
    train: bool,
  ) -> Float[Array, 'b y y f']:
    """The branch's kernel, once per sequence."""
    template = self.conv_kernel(template, train=train)
    return self.fusion.encode(template, box_size, train=train)

  def respond(
    self,
    kernel: Float[Array, 'b y y f'],
    search: Float[Array, 'b h h _'],
    *,
    train: bool,
  ) -> tuple[Float[Array, 'b r r o'], Float[Array, 'b r r f']]:
    """The branch's output map and the response it was made from."""
    search = self.conv_search(search, train=train)
    response = self.fusion.fuse(kernel, search, train=train)
    return self.out(self.head(response, train=train)), response
