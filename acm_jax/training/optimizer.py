"""SGD as PyTorch has it, with a factor on the rate for groups of parameters."""

import re
from collections.abc import Sequence
from typing import Any

import jax
import optax

_FROZEN = 0.0


def make(
  params: Any,
  rates: Sequence[tuple[str, float]],
  *,
  momentum: float,
  weight_decay: float,
  clip_norm: float,
) -> optax.GradientTransformation:
  """Gradients to updates at learning rate 1, in the order of PyTorch's SGD.

      g = clip(g);  v = momentum v + g + weight_decay w;  update = -factor v

  The rate of the step multiplies the updates and not the momentum, so that a
  change of rate acts at once. The norm that is clipped is that of all
  parameters that train, together.

  Args:
    params: Parameters, arrays or shapes.
    rates: (regular expression, factor); see `schedule.Phase`.
    momentum: Factor on the past.
    weight_decay: Factor on the weights, biases and batch norms too.
    clip_norm: Largest norm of the gradient.

  Raises:
    ValueError: A parameter has no group, or an expression no parameter.
  """
  factors = group_factors(params, rates)

  def sgd(factor):
    if factor == _FROZEN:
      return optax.set_to_zero()
    return optax.chain(
      optax.add_decayed_weights(weight_decay),
      optax.trace(momentum),
      optax.scale(-factor),
    )

  frozen = jax.tree.map(lambda factor: factor == _FROZEN, factors)
  groups = {factor: sgd(factor) for factor in set(jax.tree.leaves(factors))}
  return optax.chain(
    optax.masked(optax.set_to_zero(), frozen),
    optax.clip_by_global_norm(clip_norm),
    optax.partition(groups, factors),
  )


def group_factors(params: Any, rates: Sequence[tuple[str, float]]) -> Any:
  """The factor of every parameter, in a tree like `params`.

  A parameter's path is its names joined by '/'.

  Raises:
    ValueError: A parameter has no group, or an expression no parameter.
  """
  unused = {pattern for pattern, _ in rates}

  def factor(path, _):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    for pattern, rate in rates:
      if re.match(pattern, name):
        unused.discard(pattern)
        return rate
    raise ValueError(f'no learning rate is given for the parameter {name}')

  factors = jax.tree_util.tree_map_with_path(factor, params)
  if unused:
    raise ValueError(f'rates: no parameter begins with {sorted(unused)}')
  return factors
