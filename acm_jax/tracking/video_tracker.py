"""Tracking in a video, frame by frame, with a trained model."""

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from acm_jax.tracking.contract import Hparams, Tracked
from acm_jax.tracking.engine import Engine, Image, Programs, given
from acm_jax.tracking.model import Model

# Numbers x, y, w, h, px, 0-based, and a row of these for each target.
Box = np.ndarray | Sequence
Boxes = np.ndarray | Sequence


class Result(NamedTuple):
  """A target in a frame.

  Attributes:
    box: x, y, w, h, px of the frame, 0-based.
    score: Probability that it is the target, 0 to 1, before the penalty on
      changes and the window.
    lost: Whether the score has fallen below the model's `lost_score` and has
      not risen above its `found_score` since.
    margin: How much higher the score is than any outside of the box; a small
      one tells of a distractor.
  """

  box: Float[np.ndarray, '4']
  score: float
  lost: bool
  margin: float


class VideoTracker:
  """Follows targets through video with a trained model.

      tracker = acm_jax.load('runs/siamban_acm')
      tracker.init(image, (120, 80, 60, 40))
      box = tracker.update(image).box

  Images are RGB, uint8 [h, w, 3]. OpenCV reads BGR, which no check can tell:
  turn it by `image[..., ::-1]`, or boxes are worse without a word. A tracker
  is for one thread at a time.

  Attributes:
    model: Tracker, weights, hyper-parameters and precision.
  """

  def __init__(self, model: Model):
    """Makes a tracker without a target; the first frames compile it."""
    self.model = model
    self._programs = Programs()
    self._engine = Engine(model, programs=self._programs)
    self._started = False

  def init(self, image: Image, box: Box) -> None:
    """Takes a target by its box in the first frame, in place of any before.

    After an error there is no target, neither the new one nor the former.

    Args:
      image: First frame.
      box: x, y, w, h, px, 0-based.

    Raises:
      ValueError: The image is not RGB of uint8, or the box has no area of a
        pixel or lies outside of the image.
    """
    self._started = False
    self._engine.start(image, {0: _numbers(box)})
    self._started = True

  def update(self, image: Image) -> Result:
    """Finds the target in the next frame.

    Raises:
      RuntimeError: There is no target yet.
      ValueError: The image is not RGB of uint8, or not of the size of the
        first one.
    """
    if not self._started:
      raise RuntimeError('update: no target; call init(image, box) first')
    return _result(self._engine.advance(image)()[0])

  def track(
    self,
    frames: Iterable[Image],
    boxes: Boxes,
    *,
    ahead: int = 1,
  ) -> Iterator[list[Result]]:
    """Follows n targets through a video; leaves the target of `init` alone.

    Args:
      frames: RGB frames of one size.
      boxes: x, y, w, h of each target in the first frame, px, 0-based.
      ahead: Frames that are taken while the device still works on the one
        before, so that decoding does not wait; 0 for a camera, which answers
        each frame at once.

    Yields:
      A result for each target and frame; of the first frame the boxes given,
      with a score of 1.

    Raises:
      ValueError: There is no frame, a frame is not RGB of uint8 or not of the
        size of the first one, or a box has no area of a pixel or lies outside.
    """
    found = follow(self.model, frames, boxes, self._programs, ahead=ahead)
    for tracked in found:
      yield list(map(_result, tracked))


def follow(
  model: Model,
  frames: Iterable[Image],
  boxes_xywh: Boxes,
  programs: Programs | None = None,
  *,
  hparams: Hparams | None = None,
  ahead: int = 1,
) -> Iterator[list[Tracked]]:
  """Does the work of `VideoTracker.track`.

  All targets share each frame, where the lanes of `running.scheduler` have
  videos of their own.

  Args:
    model: What tracks.
    frames: As there.
    boxes_xywh: As there.
    programs: Keeper of compiled programs.
    hparams: Hyper-parameters of each target, [n]; the model's by default.
    ahead: As there.
  """
  if isinstance(ahead, bool) or not isinstance(ahead, int) or ahead < 0:
    raise ValueError(f'ahead={ahead!r}: give a number of frames, 0 or more')
  boxes_xywh = _numbers(boxes_xywh)
  frames = iter(frames)
  first = next(frames, None)
  if first is None:
    raise ValueError('the video has no frames')
  if boxes_xywh.ndim != 2 or not len(boxes_xywh):
    raise ValueError(
      f'boxes of the shape {list(boxes_xywh.shape)}: give a row x,y,w,h for '
      'each target'
    )
  # A power of two, so that few numbers of targets are compiled for. The lanes
  # without a target are not active.
  count = len(boxes_xywh)
  lanes = 1 << (count - 1).bit_length()
  if hparams is not None:
    hparams = jax.tree.map(
      lambda x: np.resize(np.broadcast_to(x, count), lanes), hparams
    )
  engine = Engine(model, lanes, programs=programs, hparams=hparams)
  engine.start(first, dict(enumerate(boxes_xywh)))
  yield [given(box) for box in boxes_xywh]
  waiting: collections.deque = collections.deque()
  refusal = None
  for number, frame in enumerate(frames, 1):
    try:
      waiting.append(engine.advance(frame))
    except ValueError as error:
      # After the results of the frames before it.
      refusal = ValueError(f'frame {number}, counted from 0: {error}')
      break
    if len(waiting) > ahead:
      yield list(waiting.popleft()().values())
  for fetch in waiting:
    yield list(fetch().values())
  if refusal:
    raise refusal


def _numbers(boxes: Any) -> Float[np.ndarray, '...']:
  try:
    return np.asarray(boxes, np.float32)
  except (TypeError, ValueError):
    raise ValueError(
      f'box {boxes!r} is not of numbers: give x,y,w,h in pixels'
    ) from None


def _result(tracked: Tracked) -> Result:
  return Result(
    # A copy: what was found is a part of an array of all targets.
    np.array(tracked.box_xywh),
    float(tracked.score),
    bool(tracked.lost),
    float(tracked.margin),
  )
