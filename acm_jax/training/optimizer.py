"""SGD as PyTorch has it, with a factor on the rate for groups of parameters."""

import re
from collections.abc import Sequence
from typing import Any

import jax
import optax

Rates = Sequence[tuple[str, float]]


def make(
  params: Any,
  rates: Rates,
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
  groups = group_of(params, rates)
  frozen = {pattern for pattern, factor in rates if factor == 0}

  def sgd(factor):
    return optax.chain(
      optax.add_decayed_weights(weight_decay),
      optax.trace(momentum),
      optax.scale(-factor),
    )

  return optax.chain(
    optax.masked(
      optax.set_to_zero(), jax.tree.map(lambda group: group in frozen, groups)
    ),
    optax.clip_by_global_norm(clip_norm),
    optax.partition(
      {
        pattern: sgd(factor) if factor else optax.set_to_zero()
        for pattern, factor in rates
      },
      groups,
    ),
  )


def group_of(params: Any, rates: Rates) -> Any:
  """The first expression that each parameter's path begins with.

  A path is the parameter's names joined by '/'.

  Returns:
    A tree like `params`.

  Raises:
    ValueError: A parameter has no group, or an expression no parameter.
  """
  unused = {pattern for pattern, _ in rates}

  def group(path, _):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    for pattern, _ in rates:
      if re.match(pattern, name):
        unused.discard(pattern)
        return pattern
    raise ValueError(f'rates: the parameter {name} has none')

  groups = jax.tree_util.tree_map_with_path(group, params)
  if unused:
    raise ValueError(f'rates: no parameter begins with {sorted(unused)}')
  return groups
