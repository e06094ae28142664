"""Device programs that track many targets, one target per lane.

A step is three programs: `strips` and `crops` sample the search crops, and
`advance` finds the targets in them. Only the first two depend on the size of
the frames, and they compile in less than a tenth of a second. In one program,
XLA would sample the rows again for every column, which takes three times as
long on a CPU.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from acm_jax.tracking import crop, loop
from acm_jax.tracking.contract import (
  Frame,
  Hparams,
  Tracked,
  Tracker,
  TrackState,
  Variables,
)
from acm_jax.tracking.crop import Taps

start = jax.jit(loop.start, static_argnums=0)


@functools.partial(jax.jit, static_argnums=0)
def encode(
  tracker: Tracker,
  variables: Variables,
  template: Float[Array, '1 z z 3'],
  box_size: Float[Array, '1 2'],
) -> Any:
  """Runs `Tracker.encode`."""
  return tracker.encode(variables, template, box_size)


@functools.partial(jax.jit, donate_argnums=0)
def put(
  states: TrackState, state: TrackState, lane: Int[Array, '']
) -> TrackState:
  """Sets the state of one lane in `states` to `state`; `states` is donated."""
  put_leaf = functools.partial(
    jax.lax.dynamic_update_index_in_dim, index=lane, axis=0
  )
  return jax.tree.map(put_leaf, states, state)


def are_batched(platform: str) -> bool:
  """Returns whether a batch of lanes is faster than one lane after the other.

  On a CPU, a batch takes at least as long as its samples one after the other,
  because it needs more of the memory; and inactive lanes can be skipped.
  """
  return platform != 'cpu'


@functools.partial(
  jax.jit, static_argnums=0, static_argnames=('wide', 'batched')
)
def strips(
  tracker: Tracker,
  states: TrackState,
  frames: Frame,
  active: Bool[Array, 'n'],
  *,
  wide: bool,
  batched: bool,
) -> tuple[Float[Array, 'n s x w 3'], Taps]:
  """Samples the rows of the search crops from the frames.

  Args:
    tracker: Tracking algorithm; static.
    states: State of each lane, [n].
    frames: Frame of each lane, [n], or a single frame for all lanes, [1].
    active: Mask of the lanes to advance.
    wide: Whether to search the larger region, as in `loop.step`; static.
    batched: Whether the lanes are one batch; static.

  Returns:
    Strips of whole rows, and the taps of the crops' columns. Both have axes for
    lanes and search scales.
  """
  states = states.replace(kernel=None)

  def sample(state, frame):
    rows, cols = loop.search_taps(tracker, state, frame.size, wide=wide)
    sample_rows = jax.vmap(crop.sample_rows, (None, 0, None))
    return sample_rows(frame.pixels, rows, state.fill), cols

  if len(frames.pixels) == 1:
    frame = jax.tree.map(lambda x: x[0], frames)
    return _over_lanes(
      lambda state: sample(state, frame), active, batched, states
    )
  return _over_lanes(sample, active, batched, states, frames)


@functools.partial(jax.jit, static_argnames='batched')
def crops(
  strips: Float[Array, 'n s x w 3'],
  cols: Taps,
  fill: Float[Array, 'n 3'],
  active: Bool[Array, 'n'],
  *,
  batched: bool,
) -> Float[Array, 'n s x x 3']:
  """Samples the columns of the search crops from the results of `strips`.

  Args:
    strips: Strips of whole rows.
    cols: Taps of the columns.
    fill: Colour of pixels outside the frame, for each lane.
    active: Mask of the lanes to advance.
    batched: Whether the lanes are one batch; static.
  """
  sample = jax.vmap(crop.sample_columns, (0, 0, None))
  return _over_lanes(sample, active, batched, strips, cols, fill)


@functools.partial(
  jax.jit,
  static_argnums=0,
  static_argnames=('wide', 'batched'),
  donate_argnums=3,
)
def advance(
  tracker: Tracker,
  variables: Variables,
  hparams: Hparams,
  states: TrackState,
  crops: Float[Array, 'n s x x 3'],
  sizes: Int[Array, 'n 2'],
  active: Bool[Array, 'n'],
  *,
  wide: bool,
  batched: bool,
) -> tuple[TrackState, Tracked]:
  """Finds the targets of n lanes in their search crops.

  Args:
    tracker: Tracking algorithm; static.
    variables: Weights and statistics of the network.
    hparams: Hyper-parameters of each lane, [n].
    states: State of each lane, [n]; donated.
    crops: Search crops of each lane.
    sizes: Height and width of each lane's frame, px.
    active: Mask of the lanes to advance; a single lane must be active.
    wide: Whether the crops show the larger region; static.
    batched: Whether the lanes, and the search crops of a lane, are one batch;
      static.

  Returns:
    The states after the frame and the results, both [n]. An inactive lane keeps
    its state; its result is undefined.
  """
  find = functools.partial(
    loop.find, tracker, variables, wide=wide, batched=batched
  )

  def stay(hparams, state, crop, size):
    zero = jnp.float32(0)
    return state, Tracked(jnp.zeros(4), zero, jnp.array(False), zero)

  args = hparams, states, crops, sizes
  moved, tracked = _over_lanes(find, active, batched, *args, otherwise=stay)
  return _where(active, moved, states) if batched else moved, tracked


@functools.partial(jax.jit, static_argnums=0, static_argnames='batched')
def score_map(
  tracker: Tracker,
  variables: Variables,
  kernel: Any,
  crops: Float[Array, 's x x 3'],
  *,
  batched: bool,
) -> Float[Array, 'r r']:
  """Computes `Tracker.score_map` for the search crops of one lane."""
  outputs = loop.respond(tracker, variables, kernel, crops, batched=batched)
  return tracker.score_map(outputs)


def _over_lanes(
  function: Callable,
  active: Bool[Array, 'n'],
  batched: bool,
  *args: Any,
  otherwise: Callable | None = None,
) -> Any:
  """Maps a function over lanes.

  Args:
    function: Function of one lane's arguments.
    active: Mask of the lanes to apply the function to. A single lane must be
      active.
    batched: Whether the lanes are one batch; then the function is also applied
      to inactive lanes. Otherwise it is applied to one lane after the other.
    *args: Arguments, with an axis for lanes.
    otherwise: Function that is applied to inactive lanes instead (default: one
      that returns zeros).
  """
  if batched:
    return jax.vmap(function)(*args)
  if len(active) == 1:
    # Without a loop and a condition, XLA runs independent operations in
    # parallel. A step with a single lane always advances it.
    results = function(*jax.tree.map(lambda x: x[0], args))
    return jax.tree.map(lambda x: x[None], results)

  def zeros(*args):
    shapes = jax.eval_shape(function, *args)
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

  return jax.lax.map(
    lambda lane: jax.lax.cond(lane[0], function, otherwise or zeros, *lane[1]),
    (active, args),
  )


def _where(mask: Bool[Array, 'n'], if_true, if_false):
  """Applies `jnp.where` to all leaves of two pytrees, lane by lane."""

  def leaf(x, y):
    return jnp.where(mask.reshape(-1, *[1] * (x.ndim - 1)), x, y)

  return jax.tree.map(leaf, if_true, if_false)
