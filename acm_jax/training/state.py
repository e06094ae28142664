"""All that training carries from step to step."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int

from acm_jax.tracking.contract import Variables, struct


@struct
class TrainState:
  """A value: a step takes one and gives the next.

  Attributes:
    step: Steps done, those that were skipped included.
    params: Weights.
    batch_stats: Running statistics of the batch norms.
    opt_state: Momentum of the parameters that train in this phase.
    skipped: Steps that were not taken; see `train_step`.
    skipped_in_a_row: Those since the last step that was not skipped.
    average: Moving average of `params` and `batch_stats`, or None without one.
  """

  step: Int[Array, '']
  params: Any
  batch_stats: Any
  opt_state: Any
  skipped: Int[Array, '']
  skipped_in_a_row: Int[Array, '']
  average: Variables | None = None

  @property
  def variables(self) -> Variables:
    """Weights and statistics that train."""
    return {'params': self.params, 'batch_stats': self.batch_stats}

  @property
  def to_track(self) -> Variables:
    """Weights and statistics to track with: the average if there is one."""
    return self.variables if self.average is None else self.average


def create(
  variables: Variables,
  optimizer: optax.GradientTransformation,
  *,
  averaged: bool = False,
) -> TrainState:
  """The state before the first step.

  Args:
    variables: Weights and statistics to begin with.
    optimizer: Optimizer of the first phase.
    averaged: Whether the state carries a moving average.
  """
  zero = jnp.zeros((), jnp.int32)
  state = TrainState(
    step=zero,
    params=variables['params'],
    batch_stats=variables.get('batch_stats', {}),
    opt_state=optimizer.init(variables['params']),
    skipped=zero,
    skipped_in_a_row=zero,
  )
  return state.replace(average=state.variables) if averaged else state


def fill(state: TrainState, variables: Variables) -> TrainState:
  """The state before the first step with other weights and statistics."""
  state = state.replace(**variables)
  if state.average is None:
    return state
  # A copy, since a step is given the memory of every array that it replaces.
  return state.replace(average=jax.tree.map(jnp.copy, state.variables))


def average(state: TrainState, decay: float) -> TrainState:
  """Moves the average towards the weights and statistics of a new step.

      average = d average + (1 - d) variables
      d = min(decay, (1 + n) / (10 + n))

  with n the steps taken before. The average begins at the first weights, which
  may be trained ones, and leaves them quickly while it is young. A debiased
  average from zero would have to be divided wherever it is read.
  """
  taken = state.step - state.skipped
  decay = jnp.minimum(decay, (1 + taken) / (10 + taken))
  return state.replace(
    average=optax.incremental_update(state.variables, state.average, 1 - decay)
  )


def advance(state: TrainState, new: TrainState, ok: Bool[Array, '']):
  """`new` if all is well, else `state`; one step further either way."""
  kept = jax.tree.map(lambda a, b: jnp.where(ok, a, b), new, state)
  skipped = 1 - ok.astype(jnp.int32)
  return kept.replace(
    step=state.step + 1,
    skipped=state.skipped + skipped,
    skipped_in_a_row=(state.skipped_in_a_row + skipped) * skipped,
  )
