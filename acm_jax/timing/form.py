"""Implementations ("forms") of an operator, ready to be timed."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# Function that does the work once, and returns the arrays to wait for.
Run = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Form:
  """Implementation of an operator.

  Attributes:
    forward: Function from the operator's arrays to a run that computes the
      result.
    gradient: Function from the operator's arrays to a run that computes the
      result and, for a random cotangent, the gradients by all arrays.
  """

  forward: Callable[..., Run]
  gradient: Callable[..., Run]


def in_jax(function: Callable) -> Form:
  """Returns a form that compiles and runs a JAX function of arrays."""
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
  """Samples normal numbers with a fixed seed; repeats them after 2^20."""
  count = min(math.prod(shape), 2**20)
  values = np.random.default_rng(0).standard_normal(count, np.float32)
  return jnp.asarray(np.resize(values, shape))
