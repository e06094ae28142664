"""State that training carries from step to step."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int

from acm_jax.tracking.contract import Variables, struct


@struct
class TrainState:
  """Immutable state; a training step returns a new one.

  Attributes:
    step: Number of steps so far, including skipped steps.
    params: Weights.
    batch_stats: Running statistics of the batch norms.
    opt_state: Optimizer's state, for the parameters that train in the current
      phase.
    skipped: Number of steps so far that changed no weights, because the loss
      was too large or a number was not finite.
    skipped_in_a_row: Number of skipped steps since the last step that was not
      skipped.
    average: Moving average of `params` and `batch_stats`; None if the run does
      not average its weights.
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
    """Weights and statistics that training updates."""
    return {'params': self.params, 'batch_stats': self.batch_stats}

  @property
  def to_track(self) -> Variables:
    """Weights and statistics to track with: the moving average, if any."""
    return self.variables if self.average is None else self.average


def create(
  variables: Variables,
  optimizer: optax.GradientTransformation,
  *,
  averaged: bool = False,
) -> TrainState:
  """Creates the state before the first step.

  Args:
    variables: Initial weights and statistics.
    optimizer: Optimizer of the first phase.
    averaged: Whether the state carries a moving average.
  """

  def zero():
    return jnp.zeros((), jnp.int32)

  state = TrainState(
    step=zero(),
    params=variables['params'],
    batch_stats=variables.get('batch_stats', {}),
    opt_state=optimizer.init(variables['params']),
    skipped=zero(),
    skipped_in_a_row=zero(),
  )
  return _with_average(state) if averaged else state


def fill(state: TrainState, variables: Variables) -> TrainState:
  """Replaces the weights and statistics of a state that has taken no step.

  The moving average, if any, then starts from the new values.
  """
  state = state.replace(**variables)
  return state if state.average is None else _with_average(state)


def _with_average(state: TrainState) -> TrainState:
  """Starts the average from the weights and statistics of a state."""
  # A copy, because the step reuses the memory of every array. It could not
  # reuse the memory of a shared array twice.
  return state.replace(average=jax.tree.map(jnp.copy, state.variables))


def average(state: TrainState, decay: float) -> TrainState:
  """Moves the average towards the weights and statistics of a state.

      average = d average + (1 - d) variables
      d = min(decay, (1 + n) / (10 + n))

  Here n is the number of earlier steps that were not skipped. The average
  starts from the initial weights, which may be pretrained, and at first moves
  away from them quickly. It does not start from zero, because it would then
  have to be debiased wherever it is read.
  """
  count = state.step - state.skipped
  decay = jnp.minimum(decay, (1 + count) / (10 + count))
  return state.replace(
    average=optax.incremental_update(state.variables, state.average, 1 - decay)
  )


def advance(
  state: TrainState, new: TrainState, ok: Bool[Array, '']
) -> TrainState:
  """Returns `new` if `ok`, otherwise `state`; counts the step in both cases.

  Args:
    state: State before the step.
    new: State after the step.
    ok: Whether the step succeeded; otherwise it counts as skipped.
  """
  kept = jax.tree.map(lambda a, b: jnp.where(ok, a, b), new, state)
  skipped = 1 - ok.astype(jnp.int32)
  return kept.replace(
    step=state.step + 1,
    skipped=state.skipped + skipped,
    skipped_in_a_row=(state.skipped_in_a_row + skipped) * skipped,
  )
