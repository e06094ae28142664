"""Checksum of arrays, which does not depend on how devices share them.

    sum over elements i of (2 i + 1) bits_i, modulo 2^32

Here bits_i is the element as an unsigned integer. Every weight is odd, so each
flipped bit changes the sum.
"""

from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt32


def checksum(tree: Any) -> int:
  """Computes the checksum of a tree of arrays.

  Args:
    tree: Arrays of NumPy or JAX. If several processes share an array, all of
      them must call this function.

  Returns:
    The checksum, below 2^32. It also depends on the order of the arrays.
  """
  sums = jax.device_get([_of_array(leaf) for leaf in jax.tree.leaves(tree)])
  total = 0
  for each in sums:
    total = (31 * total + int(each)) % 2**32
  return total


def _of_array(array: Any) -> Any:
  if isinstance(array, jax.Array) and not (
    array.is_fully_addressable or array.is_fully_replicated
  ):
    return _on_devices(array)
  # The host needs no compilation.
  return _weighted_sum(np.asarray(array), np)


@jax.jit
def _on_devices(array: Array) -> UInt32[Array, '']:
  return _weighted_sum(array, jnp)


def _weighted_sum(array: Any, xp: ModuleType) -> Any:
  """Computes the sum in the docstring of this file with NumPy or jax.numpy."""
  bits = array.reshape(-1).view(f'uint{8 * array.dtype.itemsize}')
  weights = 2 * xp.arange(array.size, dtype=xp.uint32) + 1
  return xp.sum(bits.astype(xp.uint32) * weights, dtype=xp.uint32)
