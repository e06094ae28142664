"""Tracking loop for a single target, as pure functions of the target's state.

The module `lanes` applies `init` and `step` to many targets.
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


def init(
  tracker: Tracker,
  variables: Variables,
  frame: Frame,
  box_xywh: Float[Array, '4'],
) -> TrackState:
  """Creates the state of a target from its box in the first frame.

  Args:
    tracker: Tracking algorithm; static.
    variables: Weights and statistics of the network.
    frame: First frame.
    box_xywh: Target box, px of the frame, 0-based.
  """
  # In the official code, the first box spans from pixel centre to pixel centre,
  # but returned boxes span from pixel edge to pixel edge. If a target does not
  # move, the returned box is therefore half a pixel too far up and to the left.
  # A `pixel_shift` of 0.5 corrects this error.
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
    tracker: Tracking algorithm; static.
    variables: Weights and statistics of the network.
    hparams: Hyper-parameters.
    state: State after the previous frame.
    frame: Next frame.
    wide: Whether to search the larger region that `tracker.wide_search`
      defines; static. The caller must pass the value of `state.wide`.

  Returns:
    The state after the frame, and the result of the frame.
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
  # The comparisons are negated, so that a NaN score counts as unsure.
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
  size = jnp.clip(box[2:], tracker.smallest_side, limit)
  tracked = Tracked(
    box_xywh=boxes.cxcywh_to_xywh(jnp.concatenate([center, size])),
    score=found.score,
    lost=lost,
    margin=found.margin,
  )
  state = state.replace(center=center, size=size, lost=lost, wide=wanted)
  return state, tracked
