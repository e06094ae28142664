"""Tracking around a network in OpenCV and NumPy, as in the official code.

The network is a pair of functions `encode` and `respond`. They run in another
library, such as PyTorch, and take RGB crops [h h 3] of type uint8.

Source: the released code of SiamRPN++ and SiamBAN, and got-10k/siamfc.
"""

import dataclasses
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from acm_jax.geometry import grid
from acm_jax.geometry.context import context_side

TEMPLATE_SIZE = 127


@dataclasses.dataclass(frozen=True)
class Hparams:
  """Strengths of penalty, window and smoothing."""

  penalty_k: float
  window_influence: float
  size_lr: float


@dataclasses.dataclass(frozen=True)
class Points:
  """Candidates of SiamBAN: one per cell.

  Attributes:
    cells: Number of cells per side of the response map.
    stride: Distance between neighbouring cells, px.
  """

  cells: int
  stride: int

  def decoder(self) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from distances [4 n] to boxes cx, cy, w, h [4 n]."""
    x, y = grid.points(self.cells, self.stride).reshape(-1, 2).T

    def decode(distances):
      left, top, right, bottom = distances
      return np.stack(
        [
          x + (right - left) / 2,
          y + (bottom - top) / 2,
          left + right,
          top + bottom,
        ]
      )

    return decode

  def window(self) -> np.ndarray:
    """Returns the cosine window of the candidates [n]."""
    hann = np.hanning(self.cells)
    return np.outer(hann, hann).ravel()


@dataclasses.dataclass(frozen=True)
class Anchors(Points):
  """Candidates of SiamRPN: five anchors per cell, which vary slowest."""

  RATIOS = (0.33, 0.5, 1.0, 2.0, 3.0)

  def decoder(self) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from offsets [4 n] to boxes cx, cy, w, h [4 n]."""
    points = grid.points(self.cells, self.stride).reshape(-1, 2)
    center = np.tile(points, (len(self.RATIOS), 1)).T
    sides = grid.anchors(self.stride, (8.0,), self.RATIOS)
    size = np.repeat(sides, len(points), axis=0).T

    def decode(offsets):
      moved = offsets[:2] * size + center
      return np.concatenate([moved, np.exp(offsets[2:]) * size])

    return decode

  def window(self) -> np.ndarray:
    """Returns the cosine window of the candidates [n]."""
    return np.tile(super().window(), len(self.RATIOS))


class BoxTracker:
  """Tracker of SiamRPN and SiamBAN.

  Attributes:
    center: Centre x, y of the target, px of the frame.
    size: Width and height of the target, px of the frame.
  """

  def __init__(
    self,
    encode: Callable[[np.ndarray, np.ndarray], None],
    respond: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    candidates: Points,
    search_size: int,
    hparams: Hparams,
  ):
    """Builds the tracker.

    Args:
      encode: Function that stores the template, of which it takes the crop and
        the width and height of the target, px of the crop.
      respond: Function from a search crop to logits [2 n] and boxes [4 n], in
        the parametrisation of `candidates`.
      candidates: Decoding of the boxes.
      search_size: Side of the search crop, px.
      hparams: Strengths of penalty, window and smoothing.
    """
    self._encode, self._respond = encode, respond
    self._decode, self._window = candidates.decoder(), candidates.window()
    self._search_size, self._hparams = search_size, hparams

  def init(self, frame: np.ndarray, box_xywh: np.ndarray) -> None:
    """Starts to track the target in a box x, y, w, h, px of the RGB frame."""
    self.center, self.size = _center(box_xywh), box_xywh[2:].astype(float)
    self._fill = frame.mean(axis=(0, 1))
    side = round(context_side(*self.size))
    template = crop(frame, self.center, side, TEMPLATE_SIZE, self._fill)
    self._encode(template, self.size * TEMPLATE_SIZE / side)

  def update(self, frame: np.ndarray) -> np.ndarray:
    """Returns the box x, y, w, h in the next frame, px."""
    hparams, side = self._hparams, context_side(*self.size)
    scale = TEMPLATE_SIZE / side
    search_side = max(1, round(side * self._search_size / TEMPLATE_SIZE))
    logits, loc = self._respond(
      crop(frame, self.center, search_side, self._search_size, self._fill)
    )
    # Boxes of a network with random weights may overflow.
    with np.errstate(over='ignore', invalid='ignore', divide='ignore'):
      boxes = self._decode(loc)
      score = 1 / (1 + np.exp(logits[0] - logits[1]))
      change = _change(context_side(boxes[2], boxes[3]) / (side * scale))
      ratio = self.size[0] / self.size[1] / (boxes[2] / boxes[3])
      penalty = np.exp((1 - change * _change(ratio)) * hparams.penalty_k)
      influence = hparams.window_influence
      ranked = penalty * score * (1 - influence) + self._window * influence
    best = np.argmax(ranked)
    rate = penalty[best] * score[best] * hparams.size_lr
    found = boxes[:, best] / scale
    limit = frame.shape[1::-1]
    self.center = np.clip(self.center + found[:2], 0, limit)
    self.size = np.clip(self.size * (1 - rate) + found[2:] * rate, 10, limit)
    return np.concatenate([self.center - self.size / 2, self.size])


class ScaleTracker:
  """Tracker of SiamFC, which searches at several scales.

  Attributes:
    center: Centre x, y of the target's pixels, px of the frame.
    size: Width and height of the target, px of the frame.
  """

  # Factor by which the response is upsampled.
  ENLARGED = 16

  def __init__(
    self,
    encode: Callable[[np.ndarray, np.ndarray], None],
    respond: Callable[[Sequence[np.ndarray]], np.ndarray],
    cells: int,
    stride: int,
    search_size: int,
    hparams: Hparams,
  ):
    """Builds the tracker.

    Args:
      encode: As in `BoxTracker`.
      respond: Function from the search crops of all scales to responses
        [s r r].
      cells: Number of cells per side of a response.
      stride: Distance between neighbouring cells, px.
      search_size: Side of the search crops, px.
      hparams: Strengths of penalty, window and smoothing.
    """
    self._encode, self._respond = encode, respond
    self._scales = 1.0375 ** np.arange(-1, 2.0)
    self._large, self._stride = cells * self.ENLARGED, stride
    self._search_size, self._hparams = search_size, hparams
    window = np.outer(np.hanning(self._large), np.hanning(self._large))
    self._window = window / window.sum()

  def init(self, frame: np.ndarray, box_xywh: np.ndarray) -> None:
    """Starts to track the target in a box x, y, w, h, px of the RGB frame."""
    self.center, self.size = _center(box_xywh), box_xywh[2:].astype(float)
    self._fill = frame.mean(axis=(0, 1))
    side = round(context_side(*self.size))
    # The squares of got-10k/siamfc begin one pixel after those of SiamRPN.
    template = crop(frame, self.center + 1, side, TEMPLATE_SIZE, self._fill)
    self._encode(template, self.size * TEMPLATE_SIZE / side)

  def update(self, frame: np.ndarray) -> np.ndarray:
    """Returns the box x, y, w, h in the next frame, px."""
    hparams, size = self._hparams, self._search_size
    side = context_side(*self.size) * size / TEMPLATE_SIZE
    crops = [
      crop(frame, self.center + 1, max(1, round(side * s)), size, self._fill)
      for s in self._scales
    ]
    shape = (self._large, self._large)
    large = np.stack(
      [
        cv2.resize(response, shape, interpolation=cv2.INTER_CUBIC)
        for response in self._respond(crops)
      ]
    )
    large[self._scales != 1] *= np.exp(-hparams.penalty_k)
    index = np.argmax(large.max(axis=(1, 2)))
    response = large[index] - large[index].min()
    response /= response.sum() + 1e-16
    influence = hparams.window_influence
    response = (1 - influence) * response + influence * self._window
    y, x = np.unravel_index(response.argmax(), response.shape)
    offset = (np.array([x, y]) - self._large // 2) / self.ENLARGED
    scale = self._scales[index]
    self.center = self.center + offset * self._stride * side * scale / size
    self.size = self.size * (1 + hparams.size_lr * (scale - 1))
    return np.concatenate([self.center - (self.size - 1) / 2, self.size])


def crop(
  image: np.ndarray,
  center: np.ndarray,
  side: int,
  size: int,
  fill: np.ndarray,
) -> np.ndarray:
  """Returns a square crop, resized to [size size 3].

  Args:
    image: Image [h w 3], uint8.
    center: Centre x, y of the square, px.
    side: Side of the square, px.
    size: Side of the result, px.
    fill: Colour outside of the image.
  """
  low = np.floor(center - (side + 1) / 2 + 0.5).astype(int)
  high = low + side
  h, w = image.shape[:2]
  inside = image[max(low[1], 0) : high[1], max(low[0], 0) : high[0]]
  pads = *(-low[::-1]), *(high[::-1] - (h, w))
  top, left, bottom, right = np.maximum(pads, 0).tolist()
  if top or left or bottom or right:
    inside = cv2.copyMakeBorder(
      inside,
      top,
      bottom,
      left,
      right,
      cv2.BORDER_CONSTANT,
      value=fill.tolist(),
    )
  return cv2.resize(inside, (size, size))


def _center(box_xywh: np.ndarray) -> np.ndarray:
  return box_xywh[:2] + (box_xywh[2:] - 1) / 2


def _change(ratio: np.ndarray) -> np.ndarray:
  return np.maximum(ratio, 1 / ratio)
