"""Optimizers by name, with a factor on the rate for groups of parameters."""

import abc
import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import jax
import optax

Rates = Sequence[tuple[str, float]]


@dataclasses.dataclass(frozen=True)
class Optimizer(abc.ABC):
  """Gradients to updates at learning rate 1.

      direction = f(clip(g), w);  update = -factor direction

  The rate of the step multiplies the updates and not what an optimizer
  remembers, so that a change of rate acts at once. The norm that is clipped is
  that of all parameters that train, together.

  Attributes:
    weight_decay: Factor on the weights, biases and batch norms too.
    clip_norm: Largest norm of the gradient; any, if it is None.
  """

  weight_decay: float
  clip_norm: float | None

  @abc.abstractmethod
  def direction(self) -> tuple[optax.GradientTransformation, ...]:
    """Gives the steps from a clipped gradient to the direction of descent."""

  def of(self, params: Any, rates: Rates) -> optax.GradientTransformation:
    """Builds the transformation for a network's parameters.

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
    return optax.chain(*self.direction(), optax.scale(-factor))


@dataclasses.dataclass(frozen=True)
class Sgd(Optimizer):
  """SGD in the order of PyTorch's.

      v = momentum v + g + weight_decay w;  direction = v

  Attributes:
    momentum: Factor on the past.
    ...: As in `Optimizer`.
  """

  momentum: float

  def direction(self):
    return (
      optax.add_decayed_weights(self.weight_decay),
      optax.trace(self.momentum),
    )


@dataclasses.dataclass(frozen=True)
class AdamW(Optimizer):
  """Adam with weight decay beside it, as `optax.adamw` has it.

      direction = m / (sqrt(v) + eps) + weight_decay w

  with m and v the unbiased moving averages of g and of its square.

  Attributes:
    b1: Decay of the average of the gradient.
    b2: Decay of the average of its square.
    eps: Summand that keeps the denominator from 0.
    ...: As in `Optimizer`.

  Source: Loshchilov and Hutter (arXiv:1711.05101).
  """

  b1: float = 0.9
  b2: float = 0.999
  eps: float = 1e-8

  def direction(self):
    return (
      optax.scale_by_adam(self.b1, self.b2, self.eps),
      optax.add_decayed_weights(self.weight_decay),
    )


_OPTIMIZERS = {'adamw': AdamW, 'sgd': Sgd}


def make(name: str = 'sgd', **kwargs) -> Optimizer:
  """Builds an optimizer by name from its attributes.

  Raises:
    ValueError: The name is unknown.
  """
  if name not in _OPTIMIZERS:
    raise ValueError(
      f'no optimizer {name!r}: there are {", ".join(_OPTIMIZERS)}'
    )
  return _OPTIMIZERS[name](**kwargs)


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
