"""Tracking loop for a single target, as pure functions of the target's state.

`init` and `step` are all that a loop needs. They consist of smaller functions,
which the module `lanes` compiles separately and applies to many targets: those
that read a frame do not depend on the weights, and those that depend on the
weights do not depend on the frame's size.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from acm_jax.geometry import boxes, context, squares
from acm_jax.tracking.contract import (
  Frame,
  Hparams,
  Outputs,
  Tracked,
  Tracker,
  TrackState,
  Variables,
)
from acm_jax.tracking.crop import (
  Taps,
  mean_color,
  resample,
  square_crop,
  square_taps,
)


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
  state, template, box_size = start(tracker, frame, box_xywh)
  return state.replace(kernel=tracker.encode(variables, template, box_size))


def start(
  tracker: Tracker, frame: Frame, box_xywh: Float[Array, '4']
) -> tuple[TrackState, Float[Array, '1 z z 3'], Float[Array, '1 2']]:
  """Computes everything in a target's first state but the kernel.

  Returns:
    The state without a kernel, and the arguments of `Tracker.encode`: template
    crop and box size.
  """
  state, box_size = first_state(tracker, box_xywh)
  center, side = squares.of_template(
    box_xywh, tracker.context_amount, tracker.pixel_shift
  )
  fill = mean_color(frame)
  template = square_crop(frame, center, side, tracker.template_size, fill)
  return state.replace(fill=fill), template[None], box_size


def first_state(
  tracker: Tracker, box_xywh: Float[Array, '4']
) -> tuple[TrackState, Float[Array, '1 2']]:
  """Computes what the state and `Tracker.encode` need of the first box.

  Returns:
    The state without a fill colour and a kernel, and the box size.
  """
  # In the official code, the first box spans from pixel centre to pixel centre,
  # but returned boxes span from pixel edge to pixel edge. If a target does not
  # move, the returned box is therefore half a pixel too far up and to the left.
  # A `pixel_shift` of 0.5 corrects this error.
  state = TrackState(
    center=boxes.pixel_center(box_xywh) + tracker.pixel_shift,
    size=box_xywh[2:],
    fill=None,
    kernel=None,
    lost=jnp.array(False),
    wide=jnp.array(False),
  )
  _, side = squares.of_template(
    box_xywh, tracker.context_amount, tracker.pixel_shift
  )
  return state, (state.size * tracker.template_size / side)[None]


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
  rows, cols = search_taps(tracker, state, frame.size, wide=wide)
  search = jax.vmap(resample, (None, 0, 0, None))(
    frame.pixels, rows, cols, state.fill
  )
  return find(
    tracker,
    variables,
    hparams,
    state,
    search,
    frame.size,
    wide=wide,
    batched=True,
  )


def search_taps(
  tracker: Tracker,
  state: TrackState,
  frame_size: Int[Array, '2'],
  *,
  wide: bool,
) -> tuple[Taps, Taps]:
  """Returns the taps of the rows and columns of the search crops.

  Args:
    tracker: Tracking algorithm; static.
    state: State after the previous frame.
    frame_size: Height and width of the next frame, px.
    wide: Whether to search the larger region; static.

  Returns:
    Taps with a leading axis for the search scales.
  """
  out_size = tracker.search_size
  if wide:
    out_size = tracker.wide_search.search_size
  center, sides = search_squares(tracker, state, out_size)

  def taps(side):
    return square_taps(frame_size, center, side, out_size)

  return jax.vmap(taps)(sides)


def search_squares(
  tracker: Tracker, state: TrackState, out_size: int
) -> tuple[Float[Array, '2'], Float[Array, 's']]:
  """Returns the squares of the next frame that the search crops show.

  Args:
    tracker: Tracking algorithm; static.
    state: State after the previous frame.
    out_size: Side of the search crops, px; static.

  Returns:
    The centre x, y of all squares, and the side of each, px of the frame.
  """
  side = context.context_side(*state.size, tracker.context_amount)
  sides = side * jnp.array(tracker.search_scales)
  sides = jnp.round(sides * (out_size / tracker.template_size))
  return state.center + tracker.pixel_shift, sides


def find(
  tracker: Tracker,
  variables: Variables,
  hparams: Hparams,
  state: TrackState,
  search: Float[Array, 's x x 3'],
  frame_size: Int[Array, '2'],
  *,
  wide: bool,
  batched: bool,
) -> tuple[TrackState, Tracked]:
  """Finds the target in the search crops of the next frame.

  Args:
    tracker: Tracking algorithm; static.
    variables: Weights and statistics of the network.
    hparams: Hyper-parameters.
    state: State after the previous frame.
    search: Search crops, one for each search scale.
    frame_size: Height and width of the next frame, px.
    wide: Whether the crops show the larger region; static.
    batched: Whether the crops are one batch, as in `respond`; static.

  Returns:
    The state after the frame, and the result of the frame.
  """
  wide_search = tracker.wide_search
  if wide and wide_search.window_influence is not None:
    hparams = hparams.replace(window_influence=wide_search.window_influence)
  side = context.context_side(*state.size, tracker.context_amount)
  outputs = respond(tracker, variables, state.kernel, search, batched=batched)
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
  limit = frame_size[::-1].astype(jnp.float32)
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


def respond(
  tracker: Tracker,
  variables: Variables,
  kernel: Any,
  search: Float[Array, 's x x 3'],
  *,
  batched: bool,
) -> Outputs:
  """Computes the outputs for the search crops of one target.

  Args:
    tracker: Tracking algorithm; static.
    variables: Weights and statistics of the network.
    kernel: Output of `Tracker.encode` for the template of the target.
    search: Search crops, one for each search scale.
    batched: Whether the crops are one batch; static. Otherwise the network is
      applied to one crop after the other.
  """

  def apply(search):
    kernels = jax.tree.map(
      lambda x: jnp.broadcast_to(x, (len(search), *x.shape[1:])), kernel
    )
    return tracker.respond(variables, kernels, search)

  if batched or len(search) == 1:
    return apply(search)
  outputs = jax.lax.map(lambda crop: apply(crop[None]), search)
  return jax.tree.map(lambda x: x[:, 0], outputs)
