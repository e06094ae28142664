"""The training step: augments and labels a batch, and updates the network."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from acm_jax.modules.mode import Mode
from acm_jax.tracking.contract import Tracker, Variables
from acm_jax.training import state as states
from acm_jax.training.augment import Distortion, augment
from acm_jax.training.parts import accumulate, in_groups
from acm_jax.training.sections import Train
from acm_jax.training.state import TrainState
from acm_jax.training.teacher import Teacher
from data_pipelines.batch import RawBatch

Metrics = dict[str, Float[Array, '']]
# A step with a larger loss is skipped, as in the official code of SiamRPN++ and
# SiamBAN.
_LARGEST_LOSS = 1e4


def train_step(
  state: TrainState,
  raw: RawBatch,
  key: jax.Array,
  teacher_variables: Variables | None = None,
  *,
  tracker: Tracker,
  distortion: Distortion | None,
  search_size: int,
  optimizer: optax.GradientTransformation,
  rate_per_epoch: Float[Array, 'e'],
  mode: Mode,
  settings: Train,
  teacher: Teacher | None = None,
) -> tuple[TrainState, Metrics]:
  """Trains on one batch.

  A step is skipped if the loss, the gradient norm, the learning rate or the new
  statistics are not finite, or if the loss exceeds 1e4. The state then keeps
  its parameters, statistics, momentum and average. Every state is therefore
  finite.

  Args:
    state: State before the step.
    raw: Batch before augmentation.
    key: Random key of the run. All randomness is a function of the key and of
      the number of the step.
    teacher_variables: Weights and statistics of the teacher.
    tracker: Tracker that provides the network, the training targets (such as
      label maps) and the loss.
    distortion: Ranges of the augmentation; None if the crops already have their
      final sizes.
    search_size: Side of the search crop in training, px.
    optimizer: Transformation of gradients into updates at learning rate 1.
    rate_per_epoch: Learning rate of each epoch.
    mode: Parts of the network that train.
    settings: Settings of the step. The seed is not used, so that runs with
      other seeds need not compile again.
    teacher: Tracker whose outputs for the same crops contribute to the loss, if
      any.

  Returns:
    The state after the step, and a dictionary from names of metrics to scalars.
  """
  keys = jax.random.split(jax.random.fold_in(key, state.step), 3)
  augment_key, target_key, dropout_key = keys
  batch = augment(
    raw,
    augment_key,
    distortion,
    template_size=tracker.template_size,
    search_size=search_size,
  )
  targets = tracker.targets(batch, target_key)

  def loss_of(params, batch_stats, samples, key):
    batch, targets = samples
    variables = {'params': params, 'batch_stats': batch_stats}

    def apply(batch, key):
      return tracker.apply(
        variables,
        batch.template,
        batch.template_box[:, 2:],
        batch.search,
        mode=mode,
        rng=key,
      )

    outputs, batch_stats = in_groups(apply, batch, key, settings.norm_groups)
    loss, parts = tracker.loss(outputs, targets)
    if teacher:
      teacher_outputs = teacher.outputs(teacher_variables, batch)
      teacher_loss, teacher_parts = teacher.loss(
        tracker, outputs, teacher_outputs, batch.positive
      )
      loss, parts = loss + teacher_loss, parts | teacher_parts
    return loss, (parts, batch_stats)

  (loss, (parts, batch_stats)), grads = accumulate(
    loss_of,
    state.params,
    state.batch_stats,
    (batch, targets),
    dropout_key,
    settings.accumulate,
  )
  if settings.gradient_factor != 1:
    grads = jax.tree.map(lambda g: settings.gradient_factor * g, grads)
  # XLA compiles a chain of scalar operations again in every update that uses
  # its result. A reduction is compiled only once. Therefore the rate, the norm
  # and `ok` end with a reduction.
  is_epoch = (
    jnp.arange(len(rate_per_epoch)) == state.step // settings.steps_per_epoch
  )
  rate = jnp.sum(jnp.where(is_epoch, rate_per_epoch, 0.0))
  new = _update(state, grads, optimizer, rate)
  new = new.replace(batch_stats=batch_stats)
  if settings.ema_decay:
    new = states.average(new, settings.ema_decay)
  grad_norm = _reduce(_norm, grads)
  # The new weights need no check. They cannot overflow if the gradient norm is
  # finite, because the squares of the gradients are then finite, and
  # `schedule.rate_per_epoch` permits no learning rate above 1000.
  largest_stat = _reduce(_largest, batch_stats)
  numbers = jnp.stack([loss, grad_norm, rate, largest_stat])
  ok = jnp.all(jnp.isfinite(numbers) & (loss <= _LARGEST_LOSS))
  state = states.advance(state, new, ok)
  return state, {
    'loss': loss,
    **{f'loss_{name}': part for name, part in parts.items()},
    'grad_norm': grad_norm,
    'rate': rate,
    'skipped': state.skipped,
    'skipped_in_a_row': state.skipped_in_a_row,
  }


def _update(
  state: TrainState,
  grads: Any,
  optimizer: optax.GradientTransformation,
  rate: Float[Array, ''],
) -> TrainState:
  """Updates the parameters and the optimizer's state."""
  updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
  updates = jax.tree.map(lambda update: rate * update, updates)
  params = optax.apply_updates(state.params, updates)
  return state.replace(params=params, opt_state=opt_state)


def _reduce(function: Callable[[Array], Array], tree: Any) -> Float[Array, '']:
  """Applies a reduction to each leaf, and then to the results together."""
  # The zero is needed for a network without batch norms, whose statistics have
  # no leaves.
  numbers = [function(leaf) for leaf in jax.tree.leaves(tree)]
  return function(jnp.stack([jnp.zeros(()), *numbers]))


def _norm(x: Float[Array, '...']) -> Float[Array, '']:
  return jnp.sqrt(jnp.sum(jnp.square(x)))


def _largest(x: Float[Array, '...']) -> Float[Array, '']:
  """Returns the largest magnitude; NaN if any value is NaN."""
  return jnp.max(jnp.abs(x))
