"""One training step: distort, label, predict, compare, update."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from acm_jax.modules.mode import Mode
from acm_jax.tracking.contract import Batch, Tracker
from acm_jax.training.state import TrainState, advance
from data_pipelines.batch import RawBatch

Metrics = dict[str, Float[Array, '']]
# As the official code: a step whose loss is larger is not taken.
_LARGEST_LOSS = 1e4


def train_step(
  state: TrainState,
  raw: RawBatch,
  *,
  tracker: Tracker,
  augment: Callable[[RawBatch, jax.Array], Batch],
  optimizer: optax.GradientTransformation,
  rate: Float[Array, 'e'],
  steps_per_epoch: int,
  mode: Mode,
  seed: int,
) -> tuple[TrainState, Metrics]:
  """The state after one more batch, and what to log.

  Where the loss, the gradient's norm or the statistics are not finite, or the
  loss exceeds 1e4, the state keeps its parameters, statistics and momentum. A
  clipped finite gradient leaves the weights finite, so that every state is.

  Args:
    state: State before.
    raw: The batch as the host leaves it.
    tracker: Network, targets and loss.
    augment: Distorts a batch with a key.
    optimizer: Gradients to updates at learning rate 1.
    rate: Learning rate of each epoch.
    steps_per_epoch: Steps.
    mode: What trains.
    seed: All randomness follows from it and the number of the step.
  """
  key = jax.random.fold_in(jax.random.key(seed), state.step)
  augment_key, target_key = jax.random.split(key)
  batch = augment(raw, augment_key)
  targets = tracker.targets(batch, target_key)

  def loss_of(params):
    variables = {'params': params, 'batch_stats': state.batch_stats}
    box_size = batch.template_box[:, 2:]
    outputs, batch_stats = tracker.apply(
      variables, batch.template, box_size, batch.search, mode=mode
    )
    loss, parts = tracker.loss(outputs, targets)
    return loss, (parts, batch_stats)

  gradient = jax.value_and_grad(loss_of, has_aux=True)
  (loss, (parts, batch_stats)), grads = gradient(state.params)
  updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
  rate_now = rate[state.step // steps_per_epoch]
  updates = jax.tree.map(lambda update: rate_now * update, updates)
  new = state.replace(
    params=optax.apply_updates(state.params, updates),
    batch_stats=batch_stats,
    opt_state=opt_state,
  )
  grad_norm = optax.tree.norm(grads)
  ok = jnp.isfinite(grad_norm) & (loss <= _LARGEST_LOSS) & _finite(batch_stats)
  state = advance(state, new, ok)
  metrics = {
    'loss': loss,
    **{f'loss_{name}': part for name, part in parts.items()},
    'grad_norm': grad_norm,
    'rate': rate_now,
    'skipped': state.skipped,
    'skipped_in_a_row': state.skipped_in_a_row,
  }
  return state, metrics


def _finite(tree) -> Bool[Array, '']:
  return jnp.all(
    jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)])
  )
