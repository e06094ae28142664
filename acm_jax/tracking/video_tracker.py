"""Frame-by-frame tracking in a video with a trained model."""

import collections
from collections.abc import Iterable, Iterator, Sequence

import jax
import numpy as np

from acm_jax.tracking import inputs
from acm_jax.tracking.contract import Hparams, Tracked
from acm_jax.tracking.engine import Engine, initial_result
from acm_jax.tracking.inputs import Box, Boxes, Image
from acm_jax.tracking.model import Model
from acm_jax.tracking.programs import Programs
from acm_jax.tracking.result import Result, ScoreMap


class VideoTracker:
  """Tracks targets in video with a trained model.

      tracker = acm_jax.load('runs/siamban_acm')
      tracker.init(image, (120, 80, 60, 40))
      box = tracker.update(image).box

  Images are RGB, uint8 [h, w, 3]. Images from OpenCV are BGR; convert them with
  `image[..., ::-1]`. Swapped channels raise no error, but make the boxes worse.
  The images of a video may differ in size.
  A tracker must not be used by several threads at once.

  Attributes:
    model: Tracker, weights, hyper-parameters and precision.
    programs: Programs that the tracker has compiled.
  """

  def __init__(self, model: Model, programs: Programs | None = None):
    """Creates a tracker without a target.

    Args:
      model: Model to track with.
      programs: Programs of another tracker with the same model, which need not
        be compiled again (default: none).
    """
    self.model = model
    self.programs = Programs() if programs is None else programs
    self._engine = Engine(model, programs=self.programs)
    self._started = False

  def init(self, image: Image, box: Box) -> None:
    """Starts tracking a target, given its box in the first frame.

    The target replaces any previous one. After an error, the tracker has no
    target. A warning is logged if the box is smaller than
    `Tracker.smallest_side`.

    Args:
      image: First frame.
      box: x, y, w, h, px, 0-based.

    Raises:
      ValueError: The image is not RGB of uint8; or the box is not four finite
        numbers, is less than a pixel wide or high, or does not overlap the
        image.
    """
    self._started = False
    box_xywh = inputs.as_array(box)
    self._engine.start(image, {0: box_xywh})
    self._started = True
    self._warn_if_small([box_xywh])

  def update(self, image: Image) -> Result:
    """Finds the target in the next frame.

    Raises:
      RuntimeError: The tracker has no target yet.
      ValueError: The image is not RGB of uint8.
    """
    self._check_started('update(image)')
    return _result(self._engine.advance(image)()[0])

  def score_map(self, image: Image, box: Box) -> ScoreMap:
    """Scores all locations of the search region around a box.

    The target of `init` is searched, but does not move. With the target's box
    in the previous frame, the scores are those that `update(image)` selects
    from, unless it searches a larger region (`WideSearch`).

    Args:
      image: Frame to search in.
      box: Box at the centre of the search region, x, y, w, h, px, 0-based.

    Raises:
      RuntimeError: The tracker has no target yet.
      ValueError: The image is not RGB of uint8, or the box cannot be tracked.
    """
    self._check_started('score_map(image, box)')
    return ScoreMap(*self._engine.score_map(image, inputs.as_array(box)))

  def _check_started(self, call: str) -> None:
    if not self._started:
      raise RuntimeError(
        f'the tracker has no target; call init(image, box) before {call}'
      )

  def track(
    self,
    frames: Iterable[Image],
    boxes: Boxes,
    *,
    ahead: int = 1,
  ) -> Iterator[list[Result]]:
    """Tracks n targets through a video.

    The target of `init` and `update` is not affected. A warning is logged for
    each box that is smaller than `Tracker.smallest_side`.

    Args:
      frames: RGB frames; their size may change.
      boxes: Box x, y, w, h of each target in the first frame, px, 0-based.
      ahead: Number of frames that are read ahead while the device works, so
        that decoding and tracking overlap. Use 0 for a camera: the results of
        each frame are then yielded before the next frame is read.

    Yields:
      Results of all targets, frame by frame. Results of the first frame are the
      given boxes, with a score of 1.

    Raises:
      ValueError: The video is empty, a frame is not RGB of uint8, or a box
        cannot be tracked.
    """
    per_frame = follow(self.model, frames, boxes, self.programs, ahead=ahead)
    for number, tracked in enumerate(per_frame):
      if number == 0:
        self._warn_if_small([each.box_xywh for each in tracked])
      yield list(map(_result, tracked))

  def compile(self, image: Image, boxes: Boxes) -> None:
    """Compiles the programs that `track` needs for n targets.

    Without it, `track` compiles while it tracks, so that it falls behind a
    camera.

    Args:
      image: RGB image of the size of the frames.
      boxes: Box x, y, w, h of each target, px, 0-based.

    Raises:
      ValueError: The image is not RGB of uint8, or a box cannot be tracked.
    """
    _start(self.model, image, boxes, self.programs).compile(image)

  def clock(self) -> float:
    """Returns a time in seconds, which stands still during compilation."""
    return self.programs.clock()

  def _warn_if_small(self, boxes_xywh: Sequence[np.ndarray]) -> None:
    for target, box_xywh in enumerate(boxes_xywh):
      smallest = self.model.tracker.smallest_side
      inputs.warn_if_small(box_xywh, smallest, f'target {target}')


def follow(
  model: Model,
  frames: Iterable[Image],
  boxes_xywh: Boxes,
  programs: Programs | None = None,
  *,
  hparams: Hparams | None = None,
  ahead: int = 1,
) -> Iterator[list[Tracked]]:
  """Tracks n targets through a video, like `VideoTracker.track`.

  All targets are in the same video, whereas in `running.scheduler` each lane
  has a different video.

  Args:
    model: Model to track with.
    frames: RGB frames; their size may change.
    boxes_xywh: Box of each target in the first frame, px, 0-based.
    programs: Cache of compiled programs (default: a new one).
    hparams: Hyper-parameters of each target, [n] (default: the model's).
    ahead: Number of frames that are read ahead while the device works.

  Yields:
    Results of all targets, frame by frame. Results of the first frame are the
    given boxes, with a score of 1.

  Raises:
    ValueError: An argument is invalid, the video is empty, or a frame or a box
      cannot be tracked.
  """
  if isinstance(ahead, bool) or not isinstance(ahead, int) or ahead < 0:
    raise ValueError(f'`ahead`={ahead!r}: give a number of frames, at least 0')
  frames = iter(frames)
  first = next(frames, None)
  if first is None:
    raise ValueError('the video has no frames; pass at least one frame')
  boxes_xywh = inputs.as_array(boxes_xywh)
  engine = _start(model, first, boxes_xywh, programs, hparams)
  yield [initial_result(box) for box in boxes_xywh]
  pending: collections.deque = collections.deque()
  invalid_frame = None
  for number, frame in enumerate(frames, 1):
    try:
      pending.append(engine.advance(frame))
    except ValueError as error:
      # Raised below, after the results of the previous frames.
      invalid_frame = ValueError(f'frame {number} (counted from 0): {error}')
      break
    if len(pending) > ahead:
      fetch = pending.popleft()
      yield list(fetch().values())
  for fetch in pending:
    yield list(fetch().values())
  if invalid_frame:
    raise invalid_frame


def _start(
  model: Model,
  image: Image,
  boxes: Boxes,
  programs: Programs | None,
  hparams: Hparams | None = None,
) -> Engine:
  """Returns an engine that has started n targets in an image."""
  boxes_xywh = inputs.as_boxes(boxes)
  # The number of lanes is a power of two, so that few programs are compiled.
  # Lanes without a target stay inactive.
  count = len(boxes_xywh)
  lanes = 1 << (count - 1).bit_length()
  if hparams is not None:
    hparams = jax.tree.map(
      lambda x: np.resize(np.broadcast_to(x, count), lanes), hparams
    )
  engine = Engine(model, lanes, programs=programs, hparams=hparams)
  engine.start(image, dict(enumerate(boxes_xywh)))
  return engine


def _result(tracked: Tracked) -> Result:
  return Result(
    # Copied, because the box is a view of an array of all targets.
    np.array(tracked.box_xywh),
    float(tracked.score),
    bool(tracked.lost),
    float(tracked.margin),
  )
