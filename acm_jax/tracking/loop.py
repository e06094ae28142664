"""Tracking as pure functions: state in, state out.

`init` and `step` follow one target; `lanes` follows many.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.geometry import boxes, context
from acm_jax.tracking.contract import (
  Frame,
  Hparams,
  Tracked,
  Tracker,
  TrackState,
  Variables,
)
from acm_jax.tracking.crop import mean_color, square_crop

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
  # As the released code of the family, which takes the first box by the centres
  # of its pixels and gives boxes by their edges: a target that does not move
  # comes back half a pixel up and to the left, unless `pixel_shift` is 0.5.
  center = boxes.pixel_center(box_xywh) + tracker.pixel_shift
  size = box_xywh[2:]
  side = jnp.round(context.context_side(*size, tracker.context_amount))
  fill = mean_color(frame)
  template = square_crop(
    frame, center + tracker.pixel_shift, side, tracker.template_size, fill
  )
  box_size = size * tracker.template_size / side
  return TrackState(
    center=center,
    size=size,
    fill=fill,
    kernel=tracker.encode(variables, template[None], box_size[None]),
    lost=jnp.array(False),
    wide=jnp.array(False),
  )


def step(
  tracker: Tracker,
  variables: Variables,
  hparams: Hparams,
  state: TrackState,
  frame: Frame,
  *,
  wide: bool = False,
) -> tuple[TrackState, Tracked]:
  """Finds the target in the next frame.

  Args:
    tracker: The algorithm; static.
    variables: Of its network.
    hparams: Penalty, window and smoothing.
    state: What the last frame left.
    frame: The next frame.
    wide: Whether the larger region of `tracker.wide_search` is searched, as
      `state.wide` wants it; static.
  """
  search_size, wide_search = tracker.search_size, tracker.wide_search
  if wide:
    search_size = wide_search.search_size
    if wide_search.window_influence is not None:
      hparams = hparams.replace(window_influence=wide_search.window_influence)
  side = context.context_side(*state.size, tracker.context_amount)

  def crop(factor):
    search_side = jnp.round(
      side * factor * (search_size / tracker.template_size)
    )
    center = state.center + tracker.pixel_shift
    return square_crop(frame, center, search_side, search_size, state.fill)

  search = jax.vmap(crop)(jnp.array(tracker.search_scales))
  kernel = jax.tree.map(
    lambda x: jnp.broadcast_to(x, (len(search), *x.shape[1:])), state.kernel
  )
  outputs = tracker.respond(variables, kernel, search)
  found = tracker.select(outputs, state, hparams, tracker.template_size / side)
  # A score that is no number is unsure, too.
  unsure = ~(found.score >= hparams.lost_score)
  lost = unsure | (state.lost & ~(found.score > hparams.found_score))
  box, wanted = found.box_cxcywh, state.wide
  if wide_search:
    wanted = wide_search.wanted(state, found, lost, side)
    if wide_search.holds:
      before = jnp.concatenate([state.center, state.size])
      box = jnp.where(unsure, before, box)
  limit = frame.size[::-1].astype(jnp.float32)
  center = jnp.clip(box[:2], 0, limit)
  size = jnp.clip(box[2:], SMALLEST_SIDE, limit)
  tracked = Tracked(
    box_xywh=boxes.cxcywh_to_xywh(jnp.concatenate([center, size])),
    score=found.score,
    lost=lost,
    margin=found.margin,
  )
  state = state.replace(center=center, size=size, lost=lost, wide=wanted)
  return state, tracked
