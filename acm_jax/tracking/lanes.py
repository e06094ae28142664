"""Device programs that track many targets, one target per lane.

A step is three programs: `strips` and `crops` sample the search crops, and
`advance` finds the targets in them. Only the first two depend on the size of
the frames; they compile in a moment. Compiled as one program, sampling would
also take longer on a CPU, because XLA would sample the rows again for every
column.
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
  return jax.tree.map(lambda all_, x: all_.at[lane].set(x), states, state)


def are_batched(platform: str) -> bool:
  """Returns whether a batch of lanes is faster than one lane after the other.

  On a CPU, a batch takes as long as its samples one after the other, and
  inactive lanes can be skipped.
  """
  return platform != 'cpu'


@functools.partial(
  jax.jit, static_argnums=0, static_argnames=('wide', 'batched')
)
def strips(
  tracker: Tracker,
  states: TrackState,
  frames: Frame,
  *,
  wide: bool,
  batched: bool,
) -> tuple[Float[Array, 'n s x w 3'], Taps]:
  """Samples the rows of the search crops from the frames.

  Args:
    tracker: Tracking algorithm; static.
    states: State of each lane, [n].
    frames: Frame of each lane, [n], or a single frame for all lanes, [1].
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
    return _over_lanes(lambda state: sample(state, frame), batched)(states)
  return _over_lanes(sample, batched)(states, frames)


@functools.partial(jax.jit, static_argnames='batched')
def crops(
  strips: Float[Array, 'n s x w 3'],
  cols: Taps,
  fill: Float[Array, 'n 3'],
  *,
  batched: bool,
) -> Float[Array, 'n s x x 3']:
  """Samples the columns of the search crops from the results of `strips`.

  Args:
    strips: Strips of whole rows.
    cols: Taps of the columns.
    fill: Colour of pixels outside the frame, for each lane.
    batched: Whether the lanes are one batch; static.
  """
  sample = jax.vmap(crop.sample_columns, (0, 0, None))
  return _over_lanes(sample, batched)(strips, cols, fill)


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
    active: Mask of the lanes to advance.
    wide: Whether the crops show the larger region; static.
    batched: Whether the lanes are one batch; static.

  Returns:
    The states after the frame and the results, both [n]. An inactive lane keeps
    its state; its result is undefined.
  """
  find = functools.partial(loop.find, tracker, variables, wide=wide)
  if batched:
    moved, tracked = jax.vmap(find)(hparams, states, crops, sizes)
    return _where(active, moved, states), tracked

  def one(hparams, state, crop, size, active):
    zero = jnp.float32(0)
    no_result = Tracked(jnp.zeros(4), zero, jnp.array(False), zero)
    return jax.lax.cond(
      active,
      lambda state: find(hparams, state, crop, size),
      lambda state: (state, no_result),
      state,
    )

  return _over_lanes(one, batched)(hparams, states, crops, sizes, active)


def _over_lanes(function: Callable, batched: bool) -> Callable:
  """Returns a function that maps `function` over the first axis."""
  if batched:
    return jax.vmap(function)
  return lambda *args: jax.lax.map(lambda lane: function(*lane), args)


def _where(mask: Bool[Array, 'n'], if_true, if_false):
  """Applies `jnp.where` to all leaves of two pytrees, lane by lane."""

  def leaf(x, y):
    return jnp.where(mask.reshape(-1, *[1] * (x.ndim - 1)), x, y)

  return jax.tree.map(leaf, if_true, if_false)
