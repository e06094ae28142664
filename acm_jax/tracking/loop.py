"""Tracking as pure functions: state in, state out.

`init` and `step` follow one target. Several targets are `jax.vmap` over their
states; `track` does that and scans a chunk of frames.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.geometry import boxes
from acm_jax.tracking import select
from acm_jax.tracking.contract import (
  Frame,
  Hparams,
  Tracked,
  Tracker,
  TrackState,
  Variables,
)
from acm_jax.tracking.crop import context_crop, mean_color

SMALLEST_SIDE = 10.0


def init(
  tracker: Tracker,
  variables: Variables,
  frame: Frame,
  box_xywh: Float[Array, '4'],
) -> TrackState:
  """Starts a target from its box in the first frame.

  Args:
    tracker: The algorithm; static.
    variables: Of its network.
    frame: The first frame.
    box_xywh: The target, px of the frame, 0-based.
  """
  center = boxes.pixel_center(box_xywh) + tracker.pixel_shift
  size = box_xywh[2:]
  side = jnp.round(select.template_side(size, tracker.context_amount))
  fill = mean_color(frame)
  template = context_crop(
    frame, center + tracker.pixel_shift, side, tracker.template_size, fill
  )
  kernel = tracker.network.apply(
    variables,
    tracker.preprocess(template)[None],
    (size * tracker.template_size / side)[None],
    method='encode',
  )
  return TrackState(center=center, size=size, fill=fill, kernel=kernel)


def step(
  tracker: Tracker,
  variables: Variables,
  hparams: Hparams,
  state: TrackState,
  frame: Frame,
  *,
  search_size: int | None = None,
) -> tuple[TrackState, Tracked]:
  """Finds the target in the next frame.

  Args:
    tracker: The algorithm; static.
    variables: Of its network.
    hparams: Penalty, window and smoothing.
    state: What the last frame left.
    frame: The next frame.
    search_size: Side of the search crop, px; static. The tracker's by default.
  """
  search_size = search_size or tracker.search_size
  side = select.template_side(state.size, tracker.context_amount)

  def crop(scale):
    search_side = jnp.round(
      side * scale * (search_size / tracker.template_size)
    )
    center = state.center + tracker.pixel_shift
    return context_crop(frame, center, search_side, search_size, state.fill)

  search = jax.vmap(crop)(jnp.array(tracker.search_scales))
  kernel = jax.tree.map(
    lambda x: jnp.broadcast_to(x, (len(search), *x.shape[1:])), state.kernel
  )
  outputs = tracker.network.apply(
    variables, kernel, tracker.preprocess(search), method='respond'
  )
  box, score = tracker.select(outputs, state, hparams)
  limit = frame.size[::-1].astype(jnp.float32)
  center = jnp.clip(box[:2], 0, limit)
  size = jnp.clip(box[2:], SMALLEST_SIDE, limit)
  tracked = Tracked(
    box_xywh=boxes.cxcywh_to_xywh(jnp.concatenate([center, size])),
    score=score,
    # Of a score that is no number, too.
    lost=~(score >= hparams.lost_score),
  )
  return state.replace(center=center, size=size), tracked


@functools.partial(jax.jit, static_argnums=0)
def start(
  tracker: Tracker,
  variables: Variables,
  frame: Frame,
  boxes_xywh: Float[Array, 'n 4'],
) -> TrackState:
  """`init` of n targets of one frame; every leaf gains a leading axis."""
  begin = functools.partial(init, tracker, variables, frame)
  return jax.vmap(begin)(boxes_xywh)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=3)
def track(
  tracker: Tracker,
  variables: Variables,
  hparams: Hparams,
  states: TrackState,
  frames: Frame,
) -> tuple[TrackState, Tracked]:
  """Follows n targets through a chunk of frames in one compiled call.

  Args:
    tracker: The algorithm; static.
    variables: Of its network.
    hparams: Penalty, window and smoothing.
    states: n states, from `start` or the chunk before; donated.
    frames: t frames, stacked.

  Returns:
    The n states after the chunk, and what was found, [t, n, ...].
  """

  def one_frame(states, frame):
    one_target = functools.partial(step, tracker, variables, hparams)
    return jax.vmap(one_target, in_axes=(0, None))(states, frame)

  return jax.lax.scan(one_frame, states, frames)
