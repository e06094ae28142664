"""NanoTrack network, which fuses the features of one backbone level.

Each output has its own fusion, followed by a tower, which is a stack of
convolutions.
"""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules.backbone import Backbone
from acm_jax.modules.fusion import Fusion
from acm_jax.modules.layers import Conv
from acm_jax.modules.mode import EVAL, Mode
from acm_jax.modules.separable import SeparableConv
from acm_jax.trackers.nanotrack.fusion import NanoAcm, NanoXCorr
from acm_jax.trackers.siamese import Outputs

Kernel = dict[str, Any]
# Name of a part of a fusion -> class of the part.
PARTS: dict[str, type[Fusion]] = {'xcorr': NanoXCorr, 'acm': NanoAcm}
# Name of a fusion -> names of its parts, whose responses are summed.
FUSIONS = {
  'nano_xcorr': ('xcorr',),
  'acm': ('acm',),
  'residual_acm': ('xcorr', 'acm'),
}


def make_parts(
  fusion: str,
  features: int,
  template_cells: int,
  acm_options: Sequence[tuple[str, int]] = (),
) -> dict[str, Fusion]:
  """Builds the parts of a fusion; the responses of the parts are summed.

  Args:
    fusion: Name of the fusion, a key of `FUSIONS`.
    features: Channels of the template and search features.
    template_cells: Number of cells per side of the template features.
    acm_options: Arguments of `NanoAcm`, as (name, value) pairs.

  Returns:
    The parts; keys are their names, as in `PARTS`.
  """
  options = {'acm': dict(acm_options)}
  return {
    part: PARTS[part](
      features=features,
      template_cells=template_cells,
      parent=None,
      **options.get(part, {}),
    )
    for part in FUSIONS[fusion]
  }


class NanoBranch(nn.Module):
  """Fuses template and search features and maps the response to an output.

  If the fusion has two parts, the response of the second part passes through a
  1x1 convolution and is added to the response of the first part. The
  convolution is initialised to zero, so that adding the second part to a
  trained network does not change its outputs at first.

  Attributes:
    outputs: Channels of the output.
    hidden: Channels of the inner layers.
    template_cells: Number of cells per side of the template features.
    fusion: Name of the fusion, a key of `FUSIONS`.
    acm_options: Arguments of `NanoAcm`, as (name, value) pairs.
    depth: Number of separable convolutions in the tower.
    bias: Initial bias of the output. The initial output is nearly constant.
  """

  outputs: int
  hidden: int
  template_cells: int
  fusion: str
  acm_options: tuple[tuple[str, int], ...] = ()
  depth: int = 6
  bias: float = 0.0

  def setup(self):
    parts = make_parts(
      self.fusion, self.hidden, self.template_cells, self.acm_options
    )
    for name, part in parts.items():
      setattr(self, name, part)
    if len(parts) > 1:
      zeros = nn.initializers.zeros
      self.join = Conv(self.hidden, kernel_init=zeros)
    self.tower = [SeparableConv(self.hidden) for _ in range(self.depth)]
    self.out = Conv(
      self.outputs,
      bias=True,
      kernel_init=nn.initializers.normal(0.01),
      bias_init=nn.initializers.constant(self.bias),
    )

  def encode(
    self,
    template: Float[Array, 'b z z c'],
    box_size: Float[Array, 'b 2'],
    *,
    train: bool,
  ) -> Kernel:
    """Computes the kernels of all parts of the fusion, once per sequence.

    Args:
      template: Template features.
      box_size: w, h of the target in the template crop, px of the crop.
      train: Whether batch norms use batch statistics, not running statistics.

    Returns:
      The kernels; keys are names of the fusion's parts.
    """
    return {
      part: getattr(self, part).encode(template, box_size, train=train)
      for part in FUSIONS[self.fusion]
    }

  def respond(
    self, kernel: Kernel, search: Float[Array, 'b h h c'], *, train: bool
  ) -> tuple[Float[Array, 'b r r o'], Float[Array, 'b r r f']]:
    """Returns the output map and the response that it is computed from."""
    first, *others = FUSIONS[self.fusion]

    def fuse(part):
      return getattr(self, part).fuse(kernel[part], search, train=train)

    response = fuse(first)
    for part in others:
      response += self.join(fuse(part))
    x = response
    for layer in self.tower:
      x = layer(x, train=train)
    return self.out(x), response


class NanoTrackNetwork(nn.Module):
  """Network that predicts two logits and four distances per location.

  Attributes:
    backbone: Feature extractor with exactly one level.
    template_size: Side of the template crop, px.
    fusion: Name of the fusion, a key of `FUSIONS`.
    acm_options: Arguments of `NanoAcm`, as (name, value) pairs.
    hidden: Channels of the fusion and the towers.

  Source: the released NanoTrackV3.
  """

  backbone: Backbone
  template_size: int
  fusion: str
  acm_options: tuple[tuple[str, int], ...] = ()
  hidden: int = 96

  def setup(self):
    def branch(outputs, bias=0.0):
      return NanoBranch(
        outputs=outputs,
        bias=bias,
        hidden=self.hidden,
        template_cells=self.template_cells,
        fusion=self.fusion,
        acm_options=self.acm_options,
      )

    # The crops give a square target half of the template's side. Boxes start
    # at this size, because the loss 1 - IoU has almost no gradient for boxes
    # that are far too small.
    self.cls = branch(2)
    self.loc = branch(4, bias=math.log(self.template_size / 4))

  @property
  def template_cells(self) -> int:
    """Number of cells per side of the template features."""
    return self.backbone.cells(self.template_size)

  def response_size(self, search_size: int) -> int:
    """Returns the number of cells per side of the output.

    Args:
      search_size: Side of the search crop, px.
    """
    parts = make_parts(self.fusion, 1, self.template_cells, self.acm_options)
    sizes = {
      part.response_size(self.backbone.cells(search_size))
      for part in parts.values()
    }
    # The responses of all parts have the same size, because they are summed.
    (size,) = sizes
    return size

  def encode(
    self,
    template: Float[Array, 'b h h 3'],
    box_size: Float[Array, 'b 2'],
    *,
    mode: Mode = EVAL,
  ) -> Kernel:
    """Computes the kernels of both branches, once per sequence.

    Args:
      template: Template crops, in the colours that the network expects.
      box_size: w, h of the targets in the template crops, px of the crop.
      mode: Parts of the network that train.

    Returns:
      The kernels of the branches; keys are 'cls' and 'loc'. The kernels of a
      branch are a dictionary, whose keys are names of the fusion's parts.
    """
    (features,) = self.backbone(template, mode=mode)
    return {
      'cls': self.cls.encode(
        features, box_size, train=mode.trains(self.cls.path)
      ),
      'loc': self.loc.encode(
        features, box_size, train=mode.trains(self.loc.path)
      ),
    }

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
    (features,) = self.backbone(search, mode=mode)
    outputs = {}
    for name, branch in (('cls', self.cls), ('loc', self.loc)):
      output, response = branch.respond(
        kernel[name], features, train=mode.trains(branch.path)
      )
      self.sow('intermediates', name, response)
      outputs[name] = output
    return Outputs(cls=outputs['cls'], loc=jnp.exp(outputs['loc']))

  def __call__(
    self,
    template: Float[Array, 'b hz hz 3'],
    box_size: Float[Array, 'b 2'],
    search: Float[Array, 'b hx hx 3'],
    *,
    mode: Mode = EVAL,
  ) -> Outputs:
    """Runs `encode`, then `respond`."""
    kernel = self.encode(template, box_size, mode=mode)
    return self.respond(kernel, search, mode=mode)
