"""What lanes do on the device: each takes a frame, or stands still."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from acm_jax.tracking import loop
from acm_jax.tracking.contract import (
  Frame,
  Hparams,
  Tracked,
  Tracker,
  TrackState,
  Variables,
)


def step_of(platform: str):
  """The step of all lanes that suits a platform.

  On a CPU a batch is no faster than its samples one by one, and lanes that
  stand still cost nothing then.
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
    variables: Of its network.
    hparams: Penalty, window and smoothing.
    states: Of each lane; donated.
    frames: Of each lane.
    active: Lanes that move; what the others find means nothing.
    wide: As in `loop.step`; static.
  """
  step = functools.partial(loop.step, tracker, variables, hparams, wide=wide)
  moved, tracked = jax.vmap(step)(states, frames)
  return chosen(active, moved, states), tracked


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
  """As `together`, one lane after the other; one that stands still is free."""
  step = functools.partial(loop.step, tracker, variables, hparams, wide=wide)

  def lane(state, frame, active):
    nothing = jax.tree.map(
      lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(step, state, frame)
    )
    return jax.lax.cond(
      active, step, lambda state, _: (state, nothing[1]), state, frame
    )

  return jax.lax.map(lambda given: lane(*given), (states, frames, active))


@functools.partial(jax.jit, donate_argnums=0)
def put(states: TrackState, state: TrackState, place: Array) -> TrackState:
  """Gives a lane to the one target of `state`."""
  return jax.tree.map(lambda all_, x: all_.at[place].set(x[0]), states, state)


@jax.jit
def chosen(which, yes, no):
  """For each lane the leaves of one or the other."""

  def leaf(x, y):
    return jnp.where(which.reshape(-1, *[1] * (x.ndim - 1)), x, y)

  return jax.tree.map(leaf, yes, no)
