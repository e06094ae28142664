"""One way to compute an operator, ready to be timed."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# Does the work once, and returns what to wait for.
Run = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Form:
  """How an operator is run on arrays.

  Attributes:
    forward: Arrays to a run of the operator.
    gradient: Arrays to a run of the operator and of its gradient by all of
      them, for a result weighed by random numbers.
  """

  forward: Callable[..., Run]
  gradient: Callable[..., Run]


def in_jax(function: Callable) -> Form:
  """A function of arrays, compiled."""
  compiled = jax.jit(function)

  def forward(*arrays):
    return functools.partial(compiled, *arrays)

  def gradient(*arrays):
    shape = jax.eval_shape(function, *arrays)
    cotangent = normal(shape.shape).astype(shape.dtype)

    @jax.jit
    def both(cotangent, *arrays):
      result, pull = jax.vjp(function, *arrays)
      return result, pull(cotangent)

    return functools.partial(both, cotangent, *arrays)

  return Form(forward, gradient)


def normal(shape: tuple[int, ...]) -> jax.Array:
  """Random numbers, the same every time, repeated after the first million."""
  count = min(math.prod(shape), 2**20)
  values = np.random.default_rng(0).standard_normal(count, np.float32)
  return jnp.asarray(np.resize(values, shape))
