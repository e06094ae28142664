"""The host's side of tracking: frames in, boxes out, programs compiled once."""

import concurrent.futures
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from acm_jax.geometry import boxes
from acm_jax.tracking import lanes as lane_programs
from acm_jax.tracking.contract import (
  Frame,
  Hparams,
  Tracked,
  TrackState,
)
from acm_jax.tracking.model import Model

# RGB, uint8 [h, w, 3]; `check_image` refuses anything else.
Image = np.ndarray
# Sides of buckets, px.
_SIDES = sorted(int(2**k * part) for k in range(8, 14) for part in (1, 1.5))


class Programs:
  """Keeps compiled programs, so that engines of the same model share them.

  Attributes:
    seconds: Time spent on compiling.
  """

  def __init__(self):
    self._compiled: dict[Hashable, Callable] = {}
    self.seconds = 0.0

  def __len__(self) -> int:
    return len(self._compiled)

  def get(
    self,
    function: Callable,
    fixed: tuple[Hashable, ...],
    precision: str,
    shapes: Hashable,
    *args: Any,
    **static: Any,
  ) -> Callable:
    """Compiles a function, or finds it compiled.

    Args:
      function: Made by `jax.jit`.
      fixed: Its first arguments, which are static: the tracker, if it has one.
      precision: Precision of matrix products that it is traced under.
      shapes: Whatever tells the shapes of `args` from others of the same
        function and fixed arguments.
      *args: Further arguments, for their shapes.
      **static: Further static arguments.

    Returns:
      The program; it takes `args`.
    """
    key = (function, fixed, precision, shapes, *static.items())
    if key not in self._compiled:
      begun = time.perf_counter()
      with jax.default_matmul_precision(precision):
        lowered = function.lower(*fixed, *args, **static)
      self._compiled[key] = lowered.compile()
      self.seconds += time.perf_counter() - begun
    return self._compiled[key]


class Engine:
  """Follows up to n targets with one model, each in a lane.

  States stay on the device. A lane is given a target by `start` and moved by
  `advance`; lanes are independent, in their frames, too. A lane searches the
  larger region of `Tracker.wide_search` where its state wants it.
  """

  def __init__(
    self,
    model: Model,
    lanes: int = 1,
    *,
    programs: Programs | None = None,
    hparams: Hparams | None = None,
  ):
    """Prepares lanes; compiles nothing yet.

    Args:
      model: Tracker, variables, hyper-parameters and precision.
      lanes: How many there are.
      programs: Keeper of compiled programs; one of its own by default.
      hparams: Hyper-parameters of each lane, [lanes]; the model's by default.
    """
    if lanes < 1:
      raise ValueError(f'lanes={lanes}: give 1 or more')
    self.lanes = lanes
    self.programs = Programs() if programs is None else programs
    self._model = model
    # A call would send NumPy arrays to the device anew each time.
    self._variables = jax.device_put(model.variables)
    self._hparams = jax.device_put(
      jax.tree.map(
        lambda x: np.broadcast_to(np.float32(x), lanes),
        model.hparams if hparams is None else hparams,
      )
    )
    # Of all lanes; None before the first target.
    self._states: TrackState | None = None
    self._sizes: list[tuple[int, int] | None] = [None] * lanes
    self._copiers = concurrent.futures.ThreadPoolExecutor()

  @property
  def about(self) -> dict[str, Any]:
    """What its results depend on, apart from the model's name."""
    return self._model.about()

  def start(self, image: Image, boxes_xywh: Mapping[int, np.ndarray]) -> None:
    """Gives lanes a target each, by its box in an image.

    Args:
      image: RGB.
      boxes_xywh: x, y, w, h by lane, px, 0-based.

    Raises:
      ValueError: The image is not RGB of uint8, a box has no area of a pixel or
        lies outside of the image, or there is no such lane; no lane has
        changed then.
    """
    check_image(image)
    for lane, box_xywh in boxes_xywh.items():
      self._check_lane(lane)
      check_box(np.asarray(box_xywh, np.float32), image.shape[:2])
    frame = jax.tree.map(lambda x: x[0], self._frames([image]))
    for lane, box_xywh in boxes_xywh.items():
      args = self._variables, frame, np.asarray(box_xywh, np.float32)
      program = self.programs.get(
        lane_programs.init,
        (self._model.tracker,),
        self._model.precision,
        bucket_of(image),
        *args,
      )
      self._put(lane, program(*args))
      self._sizes[lane] = image.shape[:2]

  def _put(self, lane: int, state: TrackState) -> None:
    if self._states is None:
      self._states = jax.tree.map(
        lambda x: jnp.zeros((self.lanes, *x.shape), x.dtype), state
      )
    # Shapes of states are the tracker's, though it is no argument.
    key = self._model.tracker, self.lanes
    args = self._states, state, np.int32(lane)
    precision = self._model.precision
    program = self.programs.get(lane_programs.put, (), precision, key, *args)
    self._states = program(*args)

  def _check_lane(self, lane: int) -> None:
    if not 0 <= lane < self.lanes:
      raise ValueError(f'no lane {lane}: there are 0 to {self.lanes - 1}')

  def advance(
    self, images: Image | Mapping[int, Image]
  ) -> Callable[[], dict[int, Tracked]]:
    """Moves lanes by a frame; returns before the device is done.

    Args:
      images: RGB frame by lane, for the lanes that move, of one bucket; or one
        frame for all lanes with a target.

    Returns:
      A function that waits for what was found, by lane in their order, as
      NumPy arrays.

    Raises:
      ValueError: A frame is not RGB of uint8, or is of another size than that
        in which its lane was started.
    """
    if isinstance(images, Mapping):
      moving = dict(images)
    else:
      started = [n for n, size in enumerate(self._sizes) if size]
      moving = dict.fromkeys(started, images)
    if not moving:
      raise ValueError('no lane moves: start one, and give it an image')
    for lane, image in moving.items():
      self._check_lane(lane)
      check_image(image)
      _check_size(image, self._sizes[lane])
    active = np.zeros(self.lanes, bool)
    active[list(moving)] = True
    if isinstance(images, Mapping):
      row = [moving.get(lane) for lane in range(self.lanes)]
    else:
      row = [images]
    parts = self._parts(self._frames(row), active)

    def fetch() -> dict[int, Tracked]:
      found = {
        lane: jax.tree.map(lambda x, i=lane: x[i], tracked)
        for now, tracked in jax.device_get(parts)
        for lane in np.flatnonzero(now).tolist()
      }
      return dict(sorted(found.items()))

    return fetch

  def _parts(
    self, frames: Frame, active: np.ndarray
  ) -> list[tuple[np.ndarray, Tracked]]:
    """Moves lanes; gives what is found, by the lanes that it is found in."""
    wanted = np.zeros_like(active)
    if self._model.tracker.wide_search:
      # A copy, for the step is given the states' own memory.
      wanted = np.array(self._states.wide)
    parts = []
    for wide in (False, True):
      now = active & (wanted == wide)
      if now.any():
        parts.append((now, self._step(frames, now, wide)))
    return parts

  def _step(self, frames: Frame, active: np.ndarray, wide: bool) -> Tracked:
    args = self._variables, self._hparams, self._states, frames, active
    program = self.programs.get(
      lane_programs.step_on(jax.default_backend()),
      (self._model.tracker,),
      self._model.precision,
      (frames.pixels.shape, self.lanes),
      *args,
      wide=wide,
    )
    self._states, found = program(*args)
    return found

  def _frames(self, images: Sequence[Image | None]) -> Frame:
    """Stacks images in their bucket; None is an image of a pixel."""
    buckets = {bucket_of(image) for image in images if image is not None}
    if len(buckets) != 1:
      raise ValueError(
        f'frames of the buckets {sorted(buckets)} move at once; move lanes of '
        'one bucket at a time'
      )
    pixels = np.zeros((len(images), *buckets.pop(), 3), np.uint8)
    sizes = np.ones((len(images), 2), np.int32)

    def copy(row, image):
      h, w = image.shape[:2]
      pixels[row, :h, :w], sizes[row] = image, (h, w)

    there = [(i, x) for i, x in enumerate(images) if x is not None]
    if len(there) == 1:
      copy(*there[0])
    else:
      list(self._copiers.map(copy, *zip(*there, strict=True)))
    return Frame(jnp.asarray(pixels), jnp.asarray(sizes))


def bucket_of(image: Image) -> tuple[int, int]:
  """Finds the height and width that an image is padded to, shared by many.

  Sides are powers of two or one and a half of them, from 256 px on.
  """
  return tuple(
    next((s for s in _SIDES if s >= side), side) for side in image.shape[:2]
  )


def given(box_xywh: np.ndarray) -> Tracked:
  """What is found in the frame in which a target is given: its own box."""
  one = np.float32(1)
  box_xywh = np.asarray(box_xywh, np.float32)
  return Tracked(box_xywh, score=one, lost=np.False_, margin=one)


def check_image(image: Any) -> None:
  """Refuses what is no RGB image of uint8.

  Raises:
    ValueError: It is none; the message says what it is.
  """
  if not isinstance(image, np.ndarray):
    raise ValueError(
      f'the image is a {type(image).__name__}; give a NumPy array, uint8 '
      '[h, w, 3], RGB'
    )
  if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
    raise ValueError(
      f'the image has the shape {list(image.shape)}; give [h, w, 3], RGB (a '
      'grey one three times, one with transparency without it)'
    )
  if image.dtype != np.uint8:
    raise ValueError(
      f'the image is of {image.dtype}; give uint8, values from 0 to 255'
    )


def check_box(box_xywh: np.ndarray, size_hw: tuple[int, int]) -> None:
  """Refuses a box that cannot be tracked.

  Raises:
    ValueError: It is not finite, is smaller than a pixel or lies outside.
  """
  text = ','.join(f'{value:g}' for value in np.ravel(box_xywh))
  if box_xywh.shape != (4,):
    raise ValueError(f'box {text} has no four numbers: give x,y,w,h in pixels')
  if not np.isfinite(box_xywh).all():
    raise ValueError(f'box {text} is not finite: give x,y,w,h in pixels')
  if (box_xywh[2:] < 1).any():
    raise ValueError(
      f'box {text} has no area of a pixel: give x,y,w,h in pixels'
    )
  inside = boxes.clip(boxes.xywh_to_xyxy(box_xywh), size_hw)
  if boxes.area(inside) <= 0:
    h, w = size_hw
    raise ValueError(f'box {text} lies outside the frame of {w} x {h} pixels')


def _check_size(image: Image, size_hw: tuple[int, int] | None) -> None:
  if size_hw is None:
    raise ValueError('a lane without a target cannot move; start it first')
  if image.shape[:2] != size_hw:
    (h, w), (h0, w0) = image.shape[:2], size_hw
    raise ValueError(
      f'{w} x {h} pixels where the first frame has {w0} x {h0}: make all '
      'frames one size'
    )
