"""Batches in parts: gradients that accumulate, and groups of batch norms."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Loss, and a tuple of its parts for the log and the batch statistics.
Loss = tuple[Float[Array, ''], tuple[dict[str, Float[Array, '']], Any]]


def accumulate(
  loss_of: Callable[..., Loss],
  params: Any,
  batch_stats: Any,
  samples: Any,
  key: jax.Array,
  count: int,
) -> tuple[Loss, Any]:
  """Computes loss and gradients of a batch in equal parts, one after another.

  Args:
    loss_of: Loss as a function of the parameters, the batch statistics, the
      samples and a random key.
    params: Parameters.
    batch_stats: Statistics of the batch norms, which every part updates.
    samples: Tree of arrays whose first axis is the batch. Part i has the
      samples i, i + `count`, ..., so that every device has a share of each.
    key: Random key.
    count: Number of parts.

  Returns:
    The loss and its parts for the log, averaged over the parts of the batch,
    with the statistics after the last part; and the averaged gradients.
  """
  differentiate = jax.value_and_grad(loss_of, has_aux=True)
  if count == 1:
    return differentiate(params, batch_stats, samples, key)

  def add(carry, part):
    batch_stats, total = carry
    (loss, (log, batch_stats)), grads = differentiate(
      params, batch_stats, *part
    )
    total = jax.tree.map(jnp.add, total, (loss, log, grads))
    return (batch_stats, total), None

  parts = (
    jax.tree.map(
      lambda x: x.reshape(-1, count, *x.shape[1:]).swapaxes(0, 1), samples
    ),
    jax.random.split(key, count),
  )
  first = jax.tree.map(lambda x: x[0], parts)
  (loss, (log, _)), grads = jax.eval_shape(
    differentiate, params, batch_stats, *first
  )
  zeros = jax.tree.map(
    lambda x: jnp.zeros(x.shape, x.dtype), (loss, log, grads)
  )
  (batch_stats, total), _ = jax.lax.scan(add, (batch_stats, zeros), parts)
  loss, log, grads = jax.tree.map(lambda x: x / count, total)
  return (loss, (log, batch_stats)), grads


def in_groups(
  apply: Callable[[Any, jax.Array], tuple[Any, Any]],
  samples: Any,
  key: jax.Array,
  count: int,
) -> tuple[Any, Any]:
  """Applies a network to equal groups of samples, which batch norms separate.

  Args:
    apply: Function of samples and a random key that returns the outputs and the
      updated batch statistics.
    samples: Tree of arrays whose first axis is the batch. Group i has the i-th
      part of the samples, as GPU i of `count` GPUs would.
    key: Random key.
    count: Number of groups.

  Returns:
    The outputs of all samples, and the average of the groups' statistics.
  """
  if count == 1:
    return apply(samples, key)
  groups = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), samples)
  outputs, batch_stats = jax.vmap(apply)(groups, jax.random.split(key, count))
  outputs = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), outputs)
  return outputs, jax.tree.map(lambda x: jnp.mean(x, axis=0), batch_stats)
