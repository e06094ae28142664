"""Tracking of many targets on the device, each in a lane of its own."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from acm_jax.tracking import loop
from acm_jax.tracking.contract import (
  Frame,
  Hparams,
  Tracked,
  Tracker,
  TrackState,
  Variables,
)

# `loop.init`, compiled.
init = jax.jit(loop.init, static_argnums=0)


@functools.partial(jax.jit, donate_argnums=0)
def put(
  states: TrackState, state: TrackState, lane: Int[Array, '']
) -> TrackState:
  """Gives a lane to the target of `state`; the states are donated."""
  return jax.tree.map(lambda all_, x: all_.at[lane].set(x), states, state)


def step_on(platform: str) -> Callable:
  """Chooses the step of n lanes for a platform: `together` or `one_by_one`.

  On a CPU a batch is no faster than its samples one by one, and lanes that
  are not active cost nothing then.
  """
  return one_by_one if platform == 'cpu' else together


@functools.partial(
  jax.jit, static_argnums=0, static_argnames='wide', donate_argnums=3
)
def together(
  tracker: Tracker,
  variables: Variables,
  hparams: Hparams,
  states: TrackState,
  frames: Frame,
  active: Bool[Array, 'n'],
  *,
  wide: bool = False,
) -> tuple[TrackState, Tracked]:
  """Moves n lanes by a frame, as one batch.

  Args:
    tracker: The algorithm; static.
    variables: Weights and statistics of its network.
    hparams: Penalty, window and smoothing of each lane, [n].
    states: State of each lane, [n]; donated.
    frames: Frame of each lane, [n], or one for all lanes, [1].
    active: Lanes that move; what is found in the others means nothing.
    wide: As in `loop.step`; static.
  """
  step = functools.partial(loop.step, tracker, variables, wide=wide)
  if _shared(frames):
    frame = jax.tree.map(lambda x: x[0], frames)
    moved, tracked = jax.vmap(step, (0, 0, None))(hparams, states, frame)
  else:
    moved, tracked = jax.vmap(step)(hparams, states, frames)
  return _chosen(active, moved, states), tracked


@functools.partial(
  jax.jit, static_argnums=0, static_argnames='wide', donate_argnums=3
)
def one_by_one(
  tracker: Tracker,
  variables: Variables,
  hparams: Hparams,
  states: TrackState,
  frames: Frame,
  active: Bool[Array, 'n'],
  *,
  wide: bool = False,
) -> tuple[TrackState, Tracked]:
  """As `together`, one lane after the other; one that is not active is free."""
  step = functools.partial(loop.step, tracker, variables, wide=wide)
  shared = _shared(frames)

  def lane(given):
    number, hparams, state, active = given
    frame = jax.tree.map(lambda x: x[0 if shared else number], frames)
    nothing = jax.tree.map(
      lambda x: jnp.zeros(x.shape, x.dtype),
      jax.eval_shape(step, hparams, state, frame)[1],
    )
    return jax.lax.cond(
      active,
      lambda state: step(hparams, state, frame),
      lambda state: (state, nothing),
      state,
    )

  return jax.lax.map(lane, (jnp.arange(len(active)), hparams, states, active))


def _chosen(which: Bool[Array, 'n'], yes, no):
  """Takes the leaves of one or the other for each lane."""

  def leaf(x, y):
    return jnp.where(which.reshape(-1, *[1] * (x.ndim - 1)), x, y)

  return jax.tree.map(leaf, yes, no)


def _shared(frames: Frame) -> bool:
  return len(frames.pixels) == 1
