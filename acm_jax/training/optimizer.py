"""SGD as PyTorch has it, with a factor on the rate for groups of parameters."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import jax
import optax

Rates = Sequence[tuple[str, float]]


@dataclasses.dataclass(frozen=True)
class Sgd:
  """Gradients to updates at learning rate 1, in the order of PyTorch's SGD.

      g = clip(g);  v = momentum v + g + weight_decay w;  update = -factor v

  The rate of the step multiplies the updates and not the momentum, so that a
  change of rate acts at once. The norm that is clipped is that of all
  parameters that train, together.

  Attributes:
    momentum: Factor on the past.
    weight_decay: Factor on the weights, biases and batch norms too.
    clip_norm: Largest norm of the gradient; any, if it is None.
  """

  momentum: float
  weight_decay: float
  clip_norm: float | None

  def of(self, params: Any, rates: Rates) -> optax.GradientTransformation:
    """The transformation for a network's parameters.

    Args:
      params: Parameters, arrays or shapes.
      rates: (regular expression, factor); see `schedule.Phase`.

    Raises:
      ValueError: A parameter has no group, or an expression no parameter.
    """
    groups = group_of(params, rates)
    frozen = {pattern for pattern, factor in rates if factor == 0}
    is_frozen = jax.tree.map(lambda group: group in frozen, groups)
    by_group = {pattern: self._group(factor) for pattern, factor in rates}
    clip = optax.identity()
    if self.clip_norm is not None:
      clip = optax.clip_by_global_norm(self.clip_norm)
    return optax.chain(
      optax.masked(optax.set_to_zero(), is_frozen),
      clip,
      optax.partition(by_group, groups),
    )

  def _group(self, factor: float) -> optax.GradientTransformation:
    if factor == 0:
      return optax.set_to_zero()
    return optax.chain(
      optax.add_decayed_weights(self.weight_decay),
      optax.trace(self.momentum),
      optax.scale(-factor),
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
