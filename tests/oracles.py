"""Slow reference implementations of operators in NumPy."""

import numpy as np


def windows(search: np.ndarray, cells: int) -> np.ndarray:
  """Cuts all windows of `cells` x `cells`: [b, i, j, cells, cells, c]."""
  rows = search.shape[1] - cells + 1
  cols = search.shape[2] - cells + 1
  return np.stack(
    [
      np.stack(
        [search[:, i : i + cells, j : j + cells] for j in range(cols)], axis=1
      )
      for i in range(rows)
    ],
    axis=1,
  )


def concat_convolution(
  template: np.ndarray, search: np.ndarray, theta: np.ndarray
) -> np.ndarray:
  """Convolves the concatenation of the template with each search window.

  Args:
    template: [b, cells, cells, c].
    search: [b, h, w, c].
    theta: [cells, cells, 2 c, features], the template's channels first.
  """
  cut = windows(search, template.shape[1])
  tiled = np.broadcast_to(template[:, None, None], cut.shape)
  both = np.concatenate([tiled, cut], axis=-1)
  return np.einsum('bijyxc,yxcf->bijf', both, theta)


def depthwise_xcorr(search: np.ndarray, kernel: np.ndarray) -> np.ndarray:
  """Correlates each channel of a sample with the sample's own kernel."""
  cut = windows(search, kernel.shape[1])
  return np.einsum('bijyxc,byxc->bijc', cut, kernel)


def xcorr(search: np.ndarray, kernel: np.ndarray) -> np.ndarray:
  """Correlates all channels with each sample's own kernel [b, y, x, c, o]."""
  cut = windows(search, kernel.shape[1])
  return np.einsum('bijyxc,byxco->bijo', cut, kernel)


def valid_conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray):
  """Convolves [b, h, w, c] with PyTorch's weight [o, c, y, x] and bias [o]."""
  cut = windows(x, weight.shape[2])
  return np.einsum('bijyxc,ocyx->bijo', cut, weight) + bias


def up_channel_rpn(
  template: np.ndarray, search: np.ndarray, weights: dict, kind: str
) -> np.ndarray:
  """Computes a branch of SiamRPN's head from features.

  Args:
    template: Template features, [b, y, x, c].
    search: Search features, [b, h, w, c].
    weights: Parameters by the names of pysot.
    kind: Branch, `cls` or `loc`.
  """

  def conv(x, name):
    return valid_conv(x, weights[f'{name}.weight'], weights[f'{name}.bias'])

  search = conv(search, f'search_{kind}_conv')
  kernel = conv(template, f'template_{kind}_conv')
  channels = search.shape[-1]
  outputs = kernel.shape[-1] // channels
  # The kernels of the outputs are consecutive groups of channels.
  maps = [
    xcorr(search, kernel[..., channels * o : channels * (o + 1), None])
    for o in range(outputs)
  ]
  response = np.concatenate(maps, axis=-1)
  return conv(response, 'loc_adjust') if kind == 'loc' else response


def depthwise_conv(
  x: np.ndarray, kernel: np.ndarray, stride: int, padding: int, dilation: int
) -> np.ndarray:
  """Computes each output cell [b, y, x, c] as the sum over its window."""
  margins = ((0, 0), (padding, padding), (padding, padding), (0, 0))
  x = np.pad(x.astype(np.float64), margins)
  reach = dilation * (kernel.shape[0] - 1) + 1
  rows = [
    [
      np.einsum(
        'byxc,yxc->bc',
        x[:, i : i + reach : dilation, j : j + reach : dilation],
        kernel[:, :, 0],
      )
      for j in range(0, x.shape[2] - reach + 1, stride)
    ]
    for i in range(0, x.shape[1] - reach + 1, stride)
  ]
  return np.moveaxis(np.array(rows), 2, 0)
