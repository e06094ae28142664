"""Branches of a Siamese network: each computes one output at one level."""

import abc
from collections.abc import Mapping

import flax.linen as nn
from jaxtyping import Array, Float

from acm_jax.modules import fusion as fusions
from acm_jax.modules.fusion import Fusion
from acm_jax.modules.layers import Conv, ConvBn

# Width and height of the adapters' kernels. Adapters have no padding.
ADAPTER = 3


class Branch(nn.Module):
  """Maps template and search features to one output map.

  Attributes:
    outputs: Channels of the output.
    hidden: Channels of the inner layers.
    fusion: Fusion that computes the response from the template and search
      features, after a 3x3 convolution of each.
    bias_init: Initializer of the output's bias; if None, PyTorch's.
  """

  outputs: int
  hidden: int
  fusion: Fusion
  bias_init: nn.initializers.Initializer | None = None

  @abc.abstractmethod
  def encode(
    self,
    template: Float[Array, 'b z z _'],
    box_size: Float[Array, 'b 2'],
    *,
    train: bool,
  ) -> Float[Array, 'b y y *k']:
    """Computes the kernel that `respond` takes; called once per sequence.

    Args:
      template: Template features at one level.
      box_size: w, h of the target in the template crop, px of the crop.
      train: Whether batch norms use batch statistics, not running statistics.
    """

  @abc.abstractmethod
  def respond(
    self,
    kernel: Float[Array, 'b y y *k'],
    search: Float[Array, 'b h h _'],
    *,
    train: bool,
  ) -> tuple[Float[Array, 'b r r o'], Float[Array, 'b r r f']]:
    """Returns the output map and the response from which the map is made."""


class HeadBranch(Branch):
  """A branch with a head after the fusion.

  Template and search features each pass through an adapter, a 3x3 convolution.
  Every branch has its own adapters, so that classification and localisation can
  use different features. The fusion and the head follow. The head is two
  convolutions with batch norm and ReLU in between.

  Attributes:
    head_size: Width and height of the head's kernels: 1 for depth-wise
      correlation, 3 in the released ACM head. If the head size is larger than
      1, both convolutions have a bias; otherwise only the second has a bias.
  """

  head_size: int = 1

  def setup(self):
    self.conv_kernel = ConvBn(self.hidden, ADAPTER, relu=True)
    self.conv_search = ConvBn(self.hidden, ADAPTER, relu=True)
    padding = self.head_size // 2
    self.head = ConvBn(
      self.hidden,
      self.head_size,
      padding=padding,
      bias=self.head_size > 1,
      relu=True,
    )
    self.out = Conv(
      self.outputs,
      self.head_size,
      padding=padding,
      bias=True,
      bias_init=self.bias_init,
    )

  def encode(self, template, box_size, *, train):
    template = self.conv_kernel(template, train=train)
    return self.fusion.encode(template, box_size, train=train)

  def respond(self, kernel, search, *, train):
    search = self.conv_search(search, train=train)
    response = self.fusion.fuse(kernel, search, train=train)
    return self.out(self.head(response, train=train)), response


class UpBranch(Branch):
  """A branch that turns template features into one kernel per output channel.

  Attributes:
    adjust: Whether a 1x1 convolution follows the response.

  Source: SiamRPN (CVPR 2018), section 4.2; layers as in pysot's UPChannelRPN.
  """

  adjust: bool = False

  def setup(self):
    kernels = self.hidden * self.outputs
    self.up_kernel = Conv(kernels, ADAPTER, bias=True)
    self.up_search = Conv(self.hidden, ADAPTER, bias=True)
    if self.adjust:
      self.loc_adjust = Conv(self.outputs, bias=True, bias_init=self.bias_init)

  def encode(self, template, box_size, *, train):
    return self.fusion.encode(self.up_kernel(template), box_size, train=train)

  def respond(self, kernel, search, *, train):
    search = self.up_search(search)
    response = self.fusion.fuse(kernel, search, train=train)
    return self.loc_adjust(response) if self.adjust else response, response


def make(
  name: str,
  outputs: int,
  hidden: int,
  template_cells: int,
  options: Mapping[str, bool],
  *,
  head_size: int,
  adjust: bool,
  bias_init: nn.initializers.Initializer | None = None,
) -> Branch:
  """Builds the kind of branch that a fusion needs.

  Args:
    name: Name of the fusion.
    outputs: Channels of the branch's output.
    hidden: Channels of the inner layers.
    template_cells: Number of cells per side of the template features.
    options: Further arguments of the fusion.
    head_size: Width and height of the kernels of a `HeadBranch`.
    adjust: Whether a 1x1 convolution follows the response of an `UpBranch`.
    bias_init: Initializer of the output's bias; if None, PyTorch's.
  """
  cells = template_cells - ADAPTER + 1
  if not fusions.get(name).has_head:
    fusion = fusions.make(name, hidden, cells, outputs=outputs, **options)
    return UpBranch(outputs, hidden, fusion, bias_init, adjust=adjust)
  fusion = fusions.make(name, hidden, cells, **options)
  return HeadBranch(outputs, hidden, fusion, bias_init, head_size=head_size)


def check(
  name: str, hidden: int, template_cells: int, options: Mapping[str, bool]
) -> None:
  """Checks a fusion's options and, if a head follows, the response's shape.

  Args:
    name: Name of the fusion.
    hidden: Channels of the inner layers.
    template_cells: Number of cells per side of the template features.
    options: Further arguments of the fusion.

  Raises:
    ValueError: The name or an option is unknown, the option `outputs` is given,
      or the response does not have the shape that the fusion's class declares.
  """
  cells = template_cells - ADAPTER + 1
  fusion = fusions.make(name, hidden, cells, **options)
  if fusion.has_head:
    fusions.check(fusion)
  elif 'outputs' in options:
    raise ValueError(
      '`fusion_options`: the tracker sets `outputs`; remove it from the options'
    )


def response_size(
  name: str,
  search_cells: int,
  template_cells: int,
  options: Mapping[str, bool],
) -> int:
  """Returns the number of cells per side of a branch's output.

  Args:
    name: Name of the fusion.
    search_cells: Number of cells per side of the search features.
    template_cells: Number of cells per side of the template features.
    options: Further arguments of the fusion.
  """
  search, template = (n - ADAPTER + 1 for n in (search_cells, template_cells))
  return fusions.make(name, 1, template, **options).response_size(search)
