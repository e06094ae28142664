"""Peak of the device: its measured rate of multiplying matrices."""

import functools

import jax
import jax.numpy as jnp

from acm_jax.timing.form import Run, normal
from acm_jax.timing.measure import Work, measure

# Sides of the matrices. On a CPU, larger ones are not faster.
_SIDE, _SIDE_ON_CPU = 8192, 2048


def product(side: int, dtype: str, precision: str) -> Run:
  """Returns a function that multiplies two square matrices.

  Args:
    side: Number of rows and columns.
    dtype: Type of the matrices.
    precision: Precision of the product, as in `jax.default_matmul_precision`.
  """
  matrix = normal((side, side)).astype(dtype)
  multiply = functools.partial(jnp.matmul, precision=precision)
  return functools.partial(jax.jit(multiply), matrix, matrix)


@functools.cache
def peak(dtype: str, precision: str) -> float:
  """Measures the peak of one device, FLOP/s; the arguments as in `product`."""
  side = _SIDE_ON_CPU if jax.default_backend() == 'cpu' else _SIDE
  forms = {'product': product(side, dtype, precision)}
  (row,) = measure([Work({}, forms)], seconds=0.5)
  return 2e3 * side**3 / row['least_ms']
