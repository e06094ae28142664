"""From decoded frames to boxes: chunks, buckets, and the device kept busy."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.geometry import boxes
from acm_jax.tracking import loop
from acm_jax.tracking.contract import (
  Frame,
  Hparams,
  Tracked,
  Tracker,
  TrackState,
  Variables,
)


def follow(
  tracker: Tracker,
  variables: Variables,
  hparams: Hparams,
  frames: Iterable[UInt8[np.ndarray, 'h w 3']],
  boxes_xywh: Float[np.ndarray, 'n 4'],
  *,
  chunk: int = 8,
) -> Iterator[Tracked]:
  """Follows n targets through a video; gives a `Tracked` a frame, [n, ...].

  The first is the boxes given, with a score of 1. While the device works on
  a chunk the next one is decoded.

  Args:
    tracker: The algorithm.
    variables: Of its network.
    hparams: Penalty, window and smoothing, of all targets or of each, [n].
    frames: RGB frames of one size.
    boxes_xywh: The targets in the first frame, px, 0-based.
    chunk: Frames a compiled call works on; 1 for the least delay. It is 1
      where the tracker may search a larger region, as each frame then decides
      on the next one.

  Raises:
    ValueError: There is no frame, frames change size, or a box has no area or
      lies outside the first frame.
  """
  frames = iter(frames)
  first = next(frames, None)
  if first is None:
    raise ValueError('the video has no frames')
  boxes_xywh = np.asarray(boxes_xywh, np.float32)
  check_boxes(boxes_xywh, first.shape[:2])
  start = jax.tree.map(lambda x: x[0], _stack([first], 1))
  states = loop.start(tracker, variables, start, jnp.asarray(boxes_xywh))
  ones = np.ones(len(boxes_xywh), np.float32)
  yield Tracked(boxes_xywh, score=ones, lost=ones == 0, margin=ones)
  each = jax.tree.map(
    lambda x: np.broadcast_to(np.float32(x), len(ones)), hparams
  )
  advance = functools.partial(loop.track, tracker, variables)
  if tracker.wide_search:
    advance, chunk = functools.partial(_as_wanted, advance), 1

  waiting: tuple[Tracked, int] | None = None
  rest = _same_size(frames, first.shape)
  while group := list(itertools.islice(rest, chunk)):
    stacked = _stack(group, chunk)
    states, tracked = advance(each, states, stacked)
    if waiting:
      yield from _frames_of(*waiting)
    waiting = tracked, len(group)
    if chunk == 1:
      yield from _frames_of(*waiting)
      waiting = None
  if waiting:
    yield from _frames_of(*waiting)


def check_boxes(
  boxes_xywh: Float[np.ndarray, 'n 4'], size_hw: tuple[int, int]
) -> None:
  """Refuses boxes that cannot be tracked.

  Raises:
    ValueError: A box is not finite, is smaller than a pixel or lies outside.
  """
  for box in boxes_xywh:
    text = ','.join(f'{value:g}' for value in box)
    if not np.isfinite(box).all() or (box[2:] < 1).any():
      raise ValueError(
        f'box {text} has no area of a pixel: give x,y,w,h in pixels'
      )
    inside = boxes.clip(boxes.xywh_to_xyxy(box), size_hw)
    if boxes.area(inside) <= 0:
      h, w = size_hw
      raise ValueError(f'box {text} lies outside the frame of {w} x {h} pixels')


def _as_wanted(
  advance: Callable[..., tuple[TrackState, Tracked]],
  hparams: Hparams,
  states: TrackState,
  frames: Frame,
) -> tuple[TrackState, Tracked]:
  """Follows each target in a region of the size that it wants.

  Targets that want the same are gathered and filled up to a power of two with
  repetitions, so that few numbers of targets are compiled.
  """
  wanted = np.asarray(states.wide)
  if wanted.all() or not wanted.any():
    return advance(hparams, states, frames, wide=bool(wanted[0]))
  parts, place, begun = [], np.zeros(len(wanted), int), 0
  for wide in (False, True):
    lanes = np.flatnonzero(wanted == wide)
    place[lanes] = begun + np.arange(len(lanes))
    filled = np.resize(lanes, 1 << (len(lanes) - 1).bit_length())
    begun += len(filled)
    own = jax.tree.map(lambda x, filled=filled: x[filled], (hparams, states))
    parts.append(advance(*own, frames, wide=wide))
  (narrow, narrow_found), (broad, broad_found) = parts

  def merged(axis):
    return lambda x, y: jnp.concatenate([x, y], axis).take(place, axis)

  return (
    jax.tree.map(merged(0), narrow, broad),
    jax.tree.map(merged(1), narrow_found, broad_found),
  )


def _same_size(frames, shape) -> Iterator[np.ndarray]:
  for index, frame in enumerate(frames, 1):
    if frame.shape != shape:
      (h, w), (h0, w0) = frame.shape[:2], shape[:2]
      raise ValueError(
        f'frame {index}, counted from 0, is {w} x {h} pixels where the first '
        f'is {w0} x {h0}: make all frames one size'
      )
    yield frame


def _stack(frames, length: int) -> Frame:
  """Frames in a bucket; the last one fills up what is short of `length`."""
  missing = length - len(frames)
  bucket = bucket_of(frames[0].shape[:2])
  return padded(frames + frames[-1:] * missing, bucket)


def padded(
  frames: Sequence[UInt8[np.ndarray, 'h w 3']], bucket: Sequence[int]
) -> Frame:
  """Stacks frames of one size in a bucket of a height and a width."""
  h, w = frames[0].shape[:2]
  pixels = np.zeros((len(frames), *bucket, 3), np.uint8)
  for row, frame in zip(pixels, frames, strict=True):
    row[:h, :w] = frame
  sizes = np.tile(np.array([h, w], np.int32), (len(frames), 1))
  return Frame(jnp.asarray(pixels), jnp.asarray(sizes))


def bucket_of(size_hw: tuple[int, int]) -> tuple[int, int]:
  """A bucket for frames of a height and a width that many sizes share.

  Sides are powers of two or one and a half of them, from 256 px on.
  """
  sides = sorted(2**k * part for k in range(8, 14) for part in (1, 1.5))
  return tuple(
    int(next((s for s in sides if s >= side), side)) for side in size_hw
  )


def _frames_of(tracked: Tracked, count: int) -> Iterator[Tracked]:
  tracked = jax.device_get(tracked)
  for i in range(count):
    yield jax.tree.map(lambda x, i=i: x[i], tracked)
