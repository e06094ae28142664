"""One training step: distort, label, predict, compare, update."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from acm_jax.modules.mode import Mode
from acm_jax.tracking.contract import Batch, Targets, Tracker, Variables
from acm_jax.training import state as states
from acm_jax.training.state import TrainState
from acm_jax.training.teacher import Loss, Teacher
from data_pipelines.batch import RawBatch

Metrics = dict[str, Float[Array, '']]
# As the official code: a step whose loss is larger is not taken.
_LARGEST_LOSS = 1e4


def train_step(
  state: TrainState,
  raw: RawBatch,
  teacher_variables: Variables | None = None,
  *,
  tracker: Tracker,
  augment: Callable[[RawBatch, jax.Array], Batch],
  optimizer: optax.GradientTransformation,
  rate: Callable[[Int[Array, '']], Float[Array, '']],
  mode: Mode,
  seed: int,
  ema_decay: float = 0.0,
  teacher: Teacher | None = None,
) -> tuple[TrainState, Metrics]:
  """The state after one more batch, and what to log.

  Where the loss, the gradient's norm, the rate or the new statistics are not
  finite, or the loss exceeds 1e4, the state keeps its parameters, statistics,
  momentum and average; so every state is finite.

  Args:
    state: State before.
    raw: The batch as the host leaves it.
    teacher_variables: Weights and statistics of the teacher.
    tracker: Network, targets and loss.
    augment: Distorts a batch with a key.
    optimizer: Gradients to updates at learning rate 1.
    rate: Number of the step, from 0, to its learning rate.
    mode: What trains.
    seed: All randomness follows from it and the number of the step.
    ema_decay: Decay of the state's average; 0 if it has none.
    teacher: Tracker whose outputs for the same crops join the loss.
  """
  key = jax.random.fold_in(jax.random.key(seed), state.step)
  augment_key, target_key = jax.random.split(key)
  batch = augment(raw, augment_key)
  targets = tracker.targets(batch, target_key)

  imitation = None
  if teacher:
    imitation = teacher.loss(tracker, teacher_variables, batch)
  loss_of = _loss_function(
    tracker, state.batch_stats, batch, targets, mode, imitation
  )
  gradient = jax.value_and_grad(loss_of, has_aux=True)
  (loss, (parts, batch_stats)), grads = gradient(state.params)
  rate_now = rate(state.step)
  new = _updated(state, grads, optimizer, rate_now)
  new = new.replace(batch_stats=batch_stats)
  if ema_decay:
    new = states.average(new, ema_decay)
  grad_norm = optax.tree.norm(grads)
  ok = jnp.isfinite(grad_norm) & (loss <= _LARGEST_LOSS)
  # With a finite norm, which has a finite square, and the rates that a
  # schedule may have, no weight overflows. To look at each of them trebled the
  # time that XLA takes to compile the step.
  ok &= jnp.isfinite(rate_now) & _finite(batch_stats)
  state = states.advance(state, new, ok)
  return state, {
    'loss': loss,
    **{f'loss_{name}': part for name, part in parts.items()},
    'grad_norm': grad_norm,
    'rate': rate_now,
    'skipped': state.skipped,
    'skipped_in_a_row': state.skipped_in_a_row,
  }


def _loss_function(
  tracker: Tracker,
  batch_stats: Any,
  batch: Batch,
  targets: Targets,
  mode: Mode,
  imitation: Loss | None,
) -> Callable:
  """Parameters to the loss, its parts, and the statistics after the batch."""

  def loss_of(params):
    outputs, after = tracker.apply(
      {'params': params, 'batch_stats': batch_stats},
      batch.template,
      batch.template_box[:, 2:],
      batch.search,
      mode=mode,
    )
    loss, parts = tracker.loss(outputs, targets)
    if imitation:
      more, others = imitation(outputs)
      loss, parts = loss + more, parts | others
    return loss, (parts, after)

  return loss_of


def _updated(
  state: TrainState,
  grads: Any,
  optimizer: optax.GradientTransformation,
  rate: Float[Array, ''],
) -> TrainState:
  """The state with other parameters, by a gradient at a learning rate."""
  updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
  updates = jax.tree.map(lambda update: rate * update, updates)
  params = optax.apply_updates(state.params, updates)
  return state.replace(params=params, opt_state=opt_state)


def _finite(tree) -> Bool[Array, '']:
  return jnp.all(
    jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)])
  )
