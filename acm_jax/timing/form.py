"""Forms: alternative implementations of an operator, timed for comparison."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from acm_jax.tracking import programs

# Function that computes once and returns arrays, for which the timer waits.
Run = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Form:
  """Implementation of an operator, forward and with gradients.

  Attributes:
    forward: Function that takes the operator's arrays. It returns a `Run`,
      which computes the result.
    gradient: Function that takes the operator's arrays. It returns a `Run`,
      which computes the result and, for a random cotangent, the gradients with
      respect to all arrays.
  """

  forward: Callable[..., Run]
  gradient: Callable[..., Run]


def in_jax(function: Callable) -> Form:
  """Returns a form that runs a function of JAX arrays under `jax.jit`.

  It is compiled with the options of the trackers' programs.
  """
  jit = functools.partial(jax.jit, compiler_options=programs.options())
  compiled = jit(function)

  def forward(*arrays):
    return functools.partial(compiled, *arrays)

  def gradient(*arrays):
    shape = jax.eval_shape(function, *arrays)
    cotangent = normal(shape.shape).astype(shape.dtype)

    @jit
    def both(cotangent, *arrays):
      result, pull = jax.vjp(function, *arrays)
      return result, pull(cotangent)

    return functools.partial(both, cotangent, *arrays)

  return Form(forward, gradient)


def normal(shape: tuple[int, ...]) -> jax.Array:
  """Returns standard normal numbers from a fixed seed, float32.

  Only 2^20 numbers are sampled; larger arrays repeat them.
  """
  count = min(math.prod(shape), 2**20)
  values = np.random.default_rng(0).standard_normal(count, np.float32)
  return jnp.asarray(np.resize(values, shape))
