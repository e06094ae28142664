"""One training step: distort, label, predict, compare, update."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from acm_jax.modules.mode import Mode
from acm_jax.tracking.contract import Tracker, Variables
from acm_jax.training import state as states
from acm_jax.training.augment import Distortion, augment
from acm_jax.training.state import TrainState
from acm_jax.training.teacher import Teacher
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
  distortion: Distortion | None,
  search_size: int,
  optimizer: optax.GradientTransformation,
  rate_per_epoch: Float[Array, 'e'],
  steps_per_epoch: int,
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
    distortion: How far pairs are distorted; see `augment`.
    search_size: Side of the search crop in training, px.
    optimizer: Gradients to updates at learning rate 1.
    rate_per_epoch: Learning rate of each epoch.
    steps_per_epoch: Steps that have the same rate.
    mode: What trains.
    seed: All randomness follows from it and the number of the step.
    ema_decay: Decay of the state's average; 0 if it has none.
    teacher: Tracker whose outputs for the same crops join the loss.
  """
  key = jax.random.fold_in(jax.random.key(seed), state.step)
  augment_key, target_key = jax.random.split(key)
  batch = augment(
    raw,
    augment_key,
    distortion,
    template_size=tracker.template_size,
    search_size=search_size,
  )
  targets = tracker.targets(batch, target_key)
  wanted = teacher.outputs(teacher_variables, batch) if teacher else None

  def loss_of(params):
    outputs, after = tracker.apply(
      {'params': params, 'batch_stats': state.batch_stats},
      batch.template,
      batch.template_box[:, 2:],
      batch.search,
      mode=mode,
    )
    loss, parts = tracker.loss(outputs, targets)
    if teacher:
      more, others = teacher.loss(tracker, outputs, wanted, batch.positive)
      loss, parts = loss + more, parts | others
    return loss, (parts, after)

  gradient = jax.value_and_grad(loss_of, has_aux=True)
  (loss, (parts, batch_stats)), grads = gradient(state.params)
  rate = rate_per_epoch[state.step // steps_per_epoch]
  new = _updated(state, grads, optimizer, rate)
  new = new.replace(batch_stats=batch_stats)
  if ema_decay:
    new = states.average(new, ema_decay)
  grad_norm = optax.tree.norm(grads)
  ok = jnp.isfinite(grad_norm) & (loss <= _LARGEST_LOSS)
  # With a finite norm, which has a finite square, and the rates that a
  # schedule may have, no weight overflows. To look at each of them trebled the
  # time that XLA takes to compile the step.
  ok &= jnp.isfinite(rate) & _finite(batch_stats)
  state = states.advance(state, new, ok)
  return state, {
    'loss': loss,
    **{f'loss_{name}': part for name, part in parts.items()},
    'grad_norm': grad_norm,
    'rate': rate,
    'skipped': state.skipped,
    'skipped_in_a_row': state.skipped_in_a_row,
  }


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
  leaves = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]
  # A network without batch norms has none.
  return jnp.all(jnp.array(leaves, bool))
