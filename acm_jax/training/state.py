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
    skipped: Steps that changed nothing, as their numbers were not finite.
    skipped_in_a_row: Those since the last step that was not skipped.
  """

  step: Int[Array, '']
  params: Any
  batch_stats: Any
  opt_state: Any
  skipped: Int[Array, '']
  skipped_in_a_row: Int[Array, '']


def create(
  variables: Variables, optimizer: optax.GradientTransformation
) -> TrainState:
  """The state before the first step."""
  zero = jnp.zeros((), jnp.int32)
  return TrainState(
    step=zero,
    params=variables['params'],
    batch_stats=variables.get('batch_stats', {}),
    opt_state=optimizer.init(variables['params']),
    skipped=zero,
    skipped_in_a_row=zero,
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
