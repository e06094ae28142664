"""Runtimes of all formats: those without JAX, and JAX itself for StableHLO."""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax import export

from acm_jax.exported import runtimes
from acm_jax.exported.runtimes import Run


def stablehlo(path: Path) -> Run:
  """Loads a StableHLO graph, which runs on the default device of JAX."""
  graph = export.deserialize(bytearray(path.read_bytes()))
  call = jax.jit(graph.call)

  def run(inputs):
    return jax.tree.map(np.asarray, call(dict(inputs)))

  return run


# Format of an export -> function that loads a graph.
RUNTIMES: dict[str, Callable[[Path], Run]] = {
  **runtimes.RUNTIMES,
  'stablehlo': stablehlo,
}
