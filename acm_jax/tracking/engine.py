"""Host side of tracking: passes frames to the device, returns results."""

import concurrent.futures
import functools
import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from acm_jax.geometry import context
from acm_jax.tracking import lanes as lane_programs
from acm_jax.tracking.contract import (
  Frame,
  Hparams,
  Tracked,
  TrackState,
)
from acm_jax.tracking.inputs import Image, check_box, check_image
from acm_jax.tracking.model import Model
from acm_jax.tracking.programs import Programs

# Height and width that images are padded to, px; see `bucket_of`.
Bucket = tuple[int, int]
# Heights and widths to which images are padded, px; see `bucket_of`.
_SIDES = sorted(int(2**k * factor) for k in range(8, 14) for factor in (1, 1.5))

# Alignment of the memory that JAX uses without copying it, bytes.
_ALIGNMENT = 64


class Engine:
  """Tracks up to n targets with one model, one target per lane.

  A lane holds the state of one target on the device. `start` assigns a target
  to a lane, and `advance` moves lanes to their next frames. Lanes are
  independent of each other and may track in different videos. A lane whose
  `TrackState.wide` is true searches the larger region that
  `Tracker.wide_search` defines.

  Frames of a video may differ in size. Padding is never read, so that results
  do not depend on the padded size. A lane pads its frames to the bucket of its
  first frame until a frame does not fit. From then on, the lane uses a bucket
  that also fits this frame, which compiles two more, small programs.
  """

  def __init__(
    self,
    model: Model,
    lanes: int = 1,
    *,
    programs: Programs | None = None,
    hparams: Hparams | None = None,
  ):
    """Creates lanes without targets. Compiles no program of the lanes yet.

    Args:
      model: Tracker, variables, hyper-parameters and precision.
      lanes: Number of lanes.
      programs: Cache of compiled programs (default: a new one).
      hparams: Hyper-parameters of each lane, [lanes] (default: the model's).

    Raises:
      ValueError: `lanes` is less than 1.
    """
    if lanes < 1:
      raise ValueError(f'`lanes`={lanes}: give at least 1')
    self.lanes = lanes
    self.programs = Programs() if programs is None else programs
    self._model = model
    begun = time.monotonic()
    self._variables = jax.block_until_ready(model.on_device)
    self.programs.seconds += time.monotonic() - begun
    self._hparams = jax.device_put(
      jax.tree.map(
        lambda x: np.broadcast_to(np.float32(x), lanes),
        model.hparams if hparams is None else hparams,
      )
    )
    # States of all lanes; None before the first target.
    self._states: TrackState | None = None
    # Bucket of each lane; None if the lane has no target.
    self._buckets: list[Bucket | None] = [None] * lanes
    self._copiers = concurrent.futures.ThreadPoolExecutor()

  @property
  def about(self) -> dict[str, Any]:
    """Description of all that the results depend on; see `Model.about`."""
    return self._model.about()

  def take_failures(self) -> list[str]:
    """Returns no failures: a model can track every box that it starts on."""
    return []

  def start(self, image: Image, boxes_xywh: Mapping[int, np.ndarray]) -> None:
    """Starts lanes on new targets, given each target's box in an image.

    Args:
      image: RGB image.
      boxes_xywh: Boxes of the new targets, px, 0-based; keys are the lanes to
        start.

    Raises:
      ValueError: The image is not RGB of uint8, a box cannot be tracked, or a
        lane does not exist. After such an error, all lanes keep their targets.
    """
    check_image(image)
    for lane, box_xywh in boxes_xywh.items():
      self._check_lane(lane)
      check_box(np.asarray(box_xywh, np.float32), image.shape[:2])
    bucket = bucket_of(image)
    frame = jax.tree.map(lambda x: x[0], self._frames([image], bucket))
    for lane, box_xywh in boxes_xywh.items():
      box_xywh = np.asarray(box_xywh, np.float32)
      state, *template = self._run(lane_programs.start, bucket, frame, box_xywh)
      kernel = self._run(lane_programs.encode, (), self._variables, *template)
      self._put(lane, state.replace(kernel=kernel))
      self._buckets[lane] = bucket

  def compile(self, image: Image) -> None:
    """Compiles the programs that advance lanes to frames of an image's size.

    `advance` would otherwise compile them when they are needed, which a live
    video does not wait for. At least one lane must have a target. No lane
    moves.
    """
    frames = self._frames([image], bucket_of(image))
    states, active = self._states, np.ones(self.lanes, bool)
    for wide in (False, True) if self._model.tracker.wide_search else (False,):
      # The memory of the states is donated to the step.
      self._states = jax.tree.map(jnp.copy, states)
      self._step(frames, active, wide)
    self._states = states

  def _put(self, lane: int, state: TrackState) -> None:
    if self._states is None:
      # `jnp.zeros` would compile a program for each shape.
      self._states = jax.device_put(
        jax.tree.map(lambda x: np.zeros((self.lanes, *x.shape), x.dtype), state)
      )
    # The shapes of states depend on the tracker, which `put` does not take.
    key = self._model.tracker, self.lanes
    args = self._states, state, np.int32(lane)
    precision = self._model.precision
    program = self.programs.get(lane_programs.put, (), precision, key, *args)
    self._states = program(*args)

  def _run(
    self, function: Callable, shapes: Hashable, *args: Any, **static: Any
  ) -> Any:
    """Calls a lane program whose first argument is the tracker."""
    program = self.programs.get(
      function,
      (self._model.tracker,),
      self._model.precision,
      shapes,
      *args,
      **static,
    )
    return program(*args)

  def _check_lane(self, lane: int) -> None:
    if not 0 <= lane < self.lanes:
      raise ValueError(
        f'lane {lane} does not exist; choose from 0 to {self.lanes - 1}'
      )

  def _check_started(self, lane: int) -> None:
    self._check_lane(lane)
    if self._buckets[lane] is None:
      raise ValueError(
        f'lane {lane} cannot advance without a target; start the lane first'
      )

  def advance(
    self, images: Image | Mapping[int, Image]
  ) -> Callable[[], dict[int, Tracked]]:
    """Advances lanes by a frame; returns before the device has finished.

    Args:
      images: RGB frames, which may differ in size; keys are the lanes to
        advance. All frames are padded to the largest of the lanes' buckets. A
        single image instead of a mapping is the frame of all lanes that have a
        target.

    Returns:
      A function that waits for the device and returns a dictionary from lanes
      to results, as NumPy arrays.

    Raises:
      ValueError: There is no lane to advance, a lane does not exist or has no
        target, or a frame is not RGB of uint8. After such an error, no lane has
        moved.
    """
    if isinstance(images, Mapping):
      moving = dict(images)
    else:
      started = [n for n, bucket in enumerate(self._buckets) if bucket]
      moving = dict.fromkeys(started, images)
    if not moving:
      raise ValueError(
        'no lane to advance; start a lane and pass an image for it'
      )
    for lane, image in moving.items():
      self._check_started(lane)
      check_image(image)
    for lane, image in moving.items():
      self._buckets[lane] = _union(self._buckets[lane], bucket_of(image))
    bucket = functools.reduce(_union, (self._buckets[lane] for lane in moving))
    active = np.zeros(self.lanes, bool)
    active[list(moving)] = True
    if isinstance(images, Mapping):
      by_lane = [moving.get(lane) for lane in range(self.lanes)]
    else:
      by_lane = [images]
    steps = self._steps(self._frames(by_lane, bucket), active)

    def fetch() -> dict[int, Tracked]:
      results = {
        lane: jax.tree.map(lambda x, i=lane: x[i], tracked)
        for moved, tracked in jax.device_get(steps)
        for lane in np.flatnonzero(moved).tolist()
      }
      return dict(sorted(results.items()))

    return fetch

  def _steps(
    self, frames: Frame, active: np.ndarray
  ) -> list[tuple[np.ndarray, Tracked]]:
    """Advances lanes, with one step for each size of search region in use.

    Returns:
      For each step, the mask of the lanes that advanced, and their results.
    """
    wants_wide = np.zeros_like(active)
    if self._model.tracker.wide_search:
      # Copied, because the memory of the states is donated to the step.
      wants_wide = np.array(self._states.wide)
    steps = []
    for wide in (False, True):
      moved = active & (wants_wide == wide)
      if moved.any():
        steps.append((moved, self._step(frames, moved, wide)))
    return steps

  def _step(self, frames: Frame, active: np.ndarray, wide: bool) -> Tracked:
    batched = lane_programs.are_batched(jax.default_backend())
    static = {'wide': wide, 'batched': batched}
    crops = self._crops(self._states, frames, active, **static)
    sizes = np.broadcast_to(frames.size, (self.lanes, 2))
    args = self._states, crops, sizes, active
    self._states, tracked = self._run(
      lane_programs.advance,
      self.lanes,
      self._variables,
      self._hparams,
      *args,
      **static,
    )
    return tracked

  def _crops(
    self, states: TrackState, frames: Frame, active: np.ndarray, **static: bool
  ) -> jax.Array:
    """Samples the search crops of the active lanes."""
    shapes = frames.pixels.shape, self.lanes
    strips, cols = self._run(
      lane_programs.strips, shapes, states, frames, active, **static
    )
    args = strips, cols, states.fill, active
    return self.programs.get(
      lane_programs.crops,
      (),
      self._model.precision,
      strips.shape,
      *args,
      batched=static['batched'],
    )(*args)

  def score_map(
    self, image: Image, box_xywh: np.ndarray, lane: int = 0
  ) -> tuple[Float[np.ndarray, 'r r'], Float[np.ndarray, '4']]:
    """Scores the locations around a box in an image; no lane moves.

    Args:
      image: RGB image.
      box_xywh: Box at the centre of the search region, px.
      lane: Lane whose target is searched.

    Returns:
      The scores, and the box x, y, w, h of their cells, px of the image.

    Raises:
      ValueError: The lane has no target, the image is not RGB of uint8, or the
        box cannot be tracked.
    """
    self._check_started(lane)
    check_image(image)
    box_xywh = np.asarray(box_xywh, np.float32)
    check_box(box_xywh, image.shape[:2])
    tracker = self._model.tracker
    batched = lane_programs.are_batched(jax.default_backend())
    center, size = box_xywh[:2] + box_xywh[2:] / 2, box_xywh[2:]
    states = self._states.replace(
      center=np.tile(center, (self.lanes, 1)),
      size=np.tile(size, (self.lanes, 1)),
    )
    frames = self._frames([image], bucket_of(image))
    active = np.arange(self.lanes) == lane
    static = {'wide': False, 'batched': batched}
    crops = self._crops(states, frames, active, **static)[lane]
    kernel = jax.tree.map(lambda x: x[lane], states.kernel)
    args = self._variables, kernel, crops
    scores = np.asarray(
      self._run(lane_programs.score_map, (), *args, batched=batched)
    )
    # Pixels of the image per cell.
    side = context.context_side(*size, tracker.context_amount)
    cell = tracker.stride * side / tracker.template_size
    low = center + tracker.pixel_shift - (len(scores) // 2 + 0.5) * cell
    return scores, np.float32([*low, *2 * [len(scores) * cell]])

  def _frames(self, images: Sequence[Image | None], bucket: Bucket) -> Frame:
    """Pads and stacks images; None becomes an image of a single pixel."""
    pixels = _aligned((len(images), *bucket, 3))
    sizes = np.ones((len(images), 2), np.int32)
    present = {i: x for i, x in enumerate(images) if x is not None}

    # Padding keeps whatever the memory held, because it is never read.
    def copy(row, image):
      h, w = sizes[row] = image.shape[:2]
      pixels[row, :h, :w] = image

    if len(present) == 1:
      ((row, image),) = present.items()
      copy(row, image)
    else:
      list(self._copiers.map(copy, present.keys(), present.values()))
    # From here on, the memory may be JAX's, so nothing may write to it.
    return Frame(jax.device_put(pixels), sizes)


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
  """Returns an array of uint8 whose memory JAX can use without copying it.

  Its values are undefined. On a CPU, JAX copies arrays that do not start at a
  multiple of 64 bytes, and NumPy aligns to 16.
  """
  memory = np.empty(math.prod(shape) + _ALIGNMENT, np.uint8)
  start = -memory.ctypes.data % _ALIGNMENT
  return memory[start : start + math.prod(shape)].reshape(shape)


def bucket_of(image: Image) -> Bucket:
  """Returns the bucket of an image: the height and width that it is padded to.

  Each side is rounded up to 2^k or 1.5 * 2^k px, at least 256, so that images
  of many sizes share few buckets and therefore few compiled programs.
  """
  return tuple(
    next((s for s in _SIDES if s >= side), side) for side in image.shape[:2]
  )


def _union(one: Bucket, other: Bucket) -> Bucket:
  """Returns the smallest bucket that fits all images of two buckets."""
  return max(one[0], other[0]), max(one[1], other[1])


def initial_result(box_xywh: np.ndarray) -> Tracked:
  """Returns the result of a target's first frame: the given box, score 1."""
  one = np.float32(1)
  box_xywh = np.asarray(box_xywh, np.float32)
  return Tracked(box_xywh, score=one, lost=np.False_, margin=one)
