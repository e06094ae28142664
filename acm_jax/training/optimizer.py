"""Optimizers that scale the learning rate of each group of parameters."""

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import optax

from acm_jax.training import expressions

# Pairs of a regular expression and a factor on the learning rate.
Rates = Sequence[tuple[str, float]]


@dataclasses.dataclass(frozen=True)
class Optimizer(abc.ABC):
  """Optimizer that turns gradients into updates at learning rate 1.

      direction = f(clip(g), w);  update = -factor direction

  Here g are the gradients, w the weights, f the rule of the subclass, and
  factor is the parameter's factor on the learning rate. The training step
  multiplies the updates by the learning rate. The state of the optimizer does
  not contain the rate, so a change of the rate takes effect at once. The
  gradients of all parameters that train are clipped by their common norm.

  Attributes:
    weight_decay: Weight decay, which also applies to biases and batch norms.
    clip_norm: Maximum gradient norm; None disables clipping.
  """

  weight_decay: float
  clip_norm: float | None

  @abc.abstractmethod
  def direction(self) -> tuple[optax.GradientTransformation, ...]:
    """Returns the transformations that turn clipped gradients into directions.

    They are applied in the order in which they are returned.
    """

  def of(self, params: Any, rates: Rates) -> optax.GradientTransformation:
    """Builds the transformation that turns a network's gradients into updates.

    Args:
      params: Parameters, as arrays or shapes.
      rates: Pairs of a regular expression and a factor on the learning rate.
        The first expression that matches the beginning of a parameter's path
        decides; the factor 0 freezes the parameter.

    Raises:
      ValueError: A parameter matches no expression, or an expression is never
        the first that matches.
    """
    patterns = [pattern for pattern, _ in rates]
    groups = expressions.assign('rates', patterns, params)
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
  """SGD with momentum, with its operations in the same order as in PyTorch.

      v = momentum v + g + weight_decay w;  direction = v

  where g is the clipped gradient and w the weight.

  Attributes:
    weight_decay: Weight decay, which also applies to biases and batch norms.
    clip_norm: Maximum gradient norm; None disables clipping.
    momentum: Decay of the velocity v.
  """

  momentum: float

  def direction(self):
    return (
      optax.add_decayed_weights(self.weight_decay),
      optax.trace(self.momentum),
    )


@dataclasses.dataclass(frozen=True)
class AdamW(Optimizer):
  """Adam with decoupled weight decay, like `optax.adamw`.

      direction = m / (sqrt(v) + eps) + weight_decay w

  where w is the weight, and m and v are bias-corrected moving averages of the
  clipped gradient and of its square.

  Attributes:
    weight_decay: Weight decay, which also applies to biases and batch norms.
    clip_norm: Maximum gradient norm; None disables clipping.
    b1: Decay of the average of the gradient.
    b2: Decay of the average of the squared gradient.
    eps: Small constant that keeps the denominator above 0.

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


def make(name: str = 'sgd', **attributes: Any) -> Optimizer:
  """Builds an optimizer by name.

  Args:
    name: Name of the optimizer: adamw or sgd.
    **attributes: Attributes of `AdamW` or `Sgd`.

  Raises:
    ValueError: The name or an attribute is unknown, or an attribute is missing.
  """
  if name not in _OPTIMIZERS:
    raise ValueError(
      f'unknown optimizer {name!r}; choose one of {", ".join(_OPTIMIZERS)}'
    )
  kind = _OPTIMIZERS[name]
  try:
    return kind(**attributes)
  except TypeError as error:
    known = [field.name for field in dataclasses.fields(kind)]
    unknown = [each for each in attributes if each not in known]
    problem = f'has no {", ".join(map(repr, unknown))}' if unknown else error
    raise ValueError(
      f'optimizer {name}: {problem}; give {", ".join(known)}, or set all of '
      f'them with :optimizer={name} at the end of `config`'
    ) from error
