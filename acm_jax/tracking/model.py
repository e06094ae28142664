"""A trained tracker as one value: algorithm, weights, hyper-parameters."""

import dataclasses
import functools
import zlib
from typing import Any

import jax
import numpy as np

from acm_jax.tracking.contract import Hparams, Tracker, Variables


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
  """A tracker with everything that its boxes follow from.

  Attributes:
    name: Name of its results: the checkpoint's and what was changed.
    tracker: The algorithm.
    variables: Weights and statistics of its network.
    hparams: Penalty, window and smoothing.
    precision: Precision of matrix products, a value of
      `jax.default_matmul_precision`. Programs are traced under it, so that it
      holds whatever the process has set.
  """

  name: str
  tracker: Tracker
  variables: Variables
  hparams: Hparams
  precision: str = 'highest'

  @functools.cached_property
  def fingerprint(self) -> str:
    """Checksum of weights and statistics, 8 hexadecimal digits."""
    total = 0
    for leaf in jax.tree.leaves(self.variables):
      total = zlib.crc32(np.ascontiguousarray(leaf), total)
    return f'{total:08x}'

  def about(self) -> dict[str, Any]:
    """Describes what its results depend on, apart from the name."""
    return {
      'weights': self.fingerprint,
      'tracker': repr(self.tracker),
      'hparams': hparams_of(self.hparams),
      'precision': self.precision,
    }


def hparams_of(hparams: Hparams) -> dict[str, float]:
  """Hyper-parameters by name, as numbers."""
  return {name: float(value) for name, value in vars(hparams).items()}
