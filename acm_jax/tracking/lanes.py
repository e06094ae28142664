"""Device programs that track many targets, one target per lane."""

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

init = jax.jit(loop.init, static_argnums=0)


@functools.partial(jax.jit, donate_argnums=0)
def put(
  states: TrackState, state: TrackState, lane: Int[Array, '']
) -> TrackState:
  """Sets the state of one lane in `states` to `state`; `states` is donated."""
  return jax.tree.map(lambda all_, x: all_.at[lane].set(x), states, state)


def step_on(platform: str) -> Callable:
  """Returns `together` or `one_by_one`, whichever is faster on a platform.

  On a CPU, a batch takes as long as its samples one after the other, and
  `one_by_one` skips inactive lanes. On an accelerator, batches are faster.
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
  """Advances n lanes by a frame, as one batch.

  Args:
    tracker: Tracking algorithm; static.
    variables: Weights and statistics of the network.
    hparams: Hyper-parameters of each lane, [n].
    states: State of each lane, [n]; donated.
    frames: Frame of each lane, [n], or a single frame for all lanes, [1].
    active: Mask of the lanes to advance.
    wide: Whether to search the larger region, as in `loop.step`; static.

  Returns:
    The states after the frame and the results, both [n]. An inactive lane keeps
    its state; its result is undefined.
  """
  step = functools.partial(loop.step, tracker, variables, wide=wide)
  if _shared(frames):
    frame = jax.tree.map(lambda x: x[0], frames)
    moved, tracked = jax.vmap(step, (0, 0, None))(hparams, states, frame)
  else:
    moved, tracked = jax.vmap(step)(hparams, states, frames)
  return _where(active, moved, states), tracked


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
  """Advances the active lanes like `together`, but one after the other."""
  step = functools.partial(loop.step, tracker, variables, wide=wide)
  shared = _shared(frames)

  def advance(lane):
    number, hparams, state, active = lane
    frame = jax.tree.map(lambda x: x[0 if shared else number], frames)
    no_result = jax.tree.map(
      lambda x: jnp.zeros(x.shape, x.dtype),
      jax.eval_shape(step, hparams, state, frame)[1],
    )
    return jax.lax.cond(
      active,
      lambda state: step(hparams, state, frame),
      lambda state: (state, no_result),
      state,
    )

  lanes = jnp.arange(len(active)), hparams, states, active
  return jax.lax.map(advance, lanes)


def _where(mask: Bool[Array, 'n'], if_true, if_false):
  """Applies `jnp.where` to all leaves of two pytrees, lane by lane."""

  def leaf(x, y):
    return jnp.where(mask.reshape(-1, *[1] * (x.ndim - 1)), x, y)

  return jax.tree.map(leaf, if_true, if_false)


def _shared(frames: Frame) -> bool:
  return len(frames.pixels) == 1
