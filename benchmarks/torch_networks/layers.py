"""Layers that several networks share."""

import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn(
  inputs: int, features: int, size: int = 1, *, relu: bool = False, **options
) -> nn.Sequential:
  """Makes a convolution, a batch norm and optionally a ReLU.

  Args:
    inputs: Input channels.
    features: Output channels.
    size: Width and height of the kernel.
    relu: Whether a ReLU follows.
    **options: Further arguments of the convolution (default: no bias).
  """
  options = {'bias': False} | options
  layers = [nn.Conv2d(inputs, features, size, **options)]
  layers.append(nn.BatchNorm2d(features))
  if relu:
    layers.append(nn.ReLU(inplace=True))
  return nn.Sequential(*layers)


def center_crop(features: Tensor, cells: int) -> Tensor:
  """Crops the central cells of [b c h h]; leaves smaller maps unchanged."""
  start = max(0, (features.shape[-1] - cells) // 2)
  inner = slice(start, start + cells)
  return features[:, :, inner, inner]


def depthwise_xcorr(search: Tensor, kernel: Tensor) -> Tensor:
  """Correlates every channel of every sample with its own kernel.

  Args:
    search: Search features [b c h w].
    kernel: Kernels [b c y x].
  """
  batch, channels = search.shape[:2]
  response = F.conv2d(
    search.reshape(1, batch * channels, *search.shape[2:]),
    kernel.reshape(batch * channels, 1, *kernel.shape[2:]),
    groups=batch * channels,
  )
  return response.reshape(batch, channels, *response.shape[2:])


def xcorr(search: Tensor, kernel: Tensor) -> Tensor:
  """Correlates every sample with its own kernel, and sums over channels.

  Args:
    search: Search features [b c h w].
    kernel: Kernels [k c y x]; sample i has kernel i % k.
  """
  batch, channels = search.shape[:2]
  count = len(kernel)
  folded = search.reshape(-1, count * channels, *search.shape[2:])
  response = F.conv2d(folded, kernel, groups=count)
  return response.reshape(batch, 1, *response.shape[2:])
