"""SiamFC with AlexNet.

Source: arXiv:1606.09549.
"""

import functools

from torch import Tensor, nn

from benchmarks.torch_networks.layers import xcorr

# Factor on the response.
SCALE = 1e-3


class SiamFc(nn.Module):
  """SiamFC, whose response is the cross-correlation of two feature maps."""

  def __init__(self, width: float = 1.0):
    """Builds the network.

    Args:
      width: Factor that multiplies the number of channels of every layer.
    """
    super().__init__()
    c1, c2, c3, c4 = (int(width * c) for c in (96, 256, 384, 256))
    norm = functools.partial(nn.BatchNorm2d, eps=1e-6, momentum=0.05)
    relu = nn.ReLU(inplace=True)
    pool = nn.MaxPool2d(3, stride=2)
    self.feature = nn.Sequential(
      *(nn.Conv2d(3, c1, 11, stride=2), norm(c1), relu, pool),
      *(nn.Conv2d(c1, c2, 5, groups=2), norm(c2), relu, pool),
      *(nn.Conv2d(c2, c3, 3), norm(c3), relu),
      *(nn.Conv2d(c3, c3, 3, groups=2), norm(c3), relu),
      nn.Conv2d(c3, c4, 3, groups=2),
    )

  def encode(self, template: Tensor, box_size: Tensor) -> Tensor:
    """Computes the features of template images [b 3 127 127]."""
    return self.feature(template)

  def respond(self, kernel: Tensor, search: Tensor) -> tuple[Tensor]:
    """Computes logits [b 1 r r] for search images [b 3 h h].

    Args:
      kernel: Result of `encode`, with one row per search image or a single one.
      search: Search images.
    """
    return (SCALE * xcorr(self.feature(search), kernel),)

  def forward(
    self, template: Tensor, box_size: Tensor, search: Tensor
  ) -> tuple[Tensor]:
    """Runs `encode`, then `respond`."""
    return self.respond(self.encode(template, box_size), search)
