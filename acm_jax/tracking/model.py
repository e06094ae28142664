"""Trained tracker: algorithm, weights and hyper-parameters in one value."""

import dataclasses
import functools
import importlib.metadata
import zlib
from typing import Any

import jax
import numpy as np

from acm_jax.tracking.contract import Hparams, Tracker, Variables


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
  """Trained tracker with everything that its results depend on.

  Attributes:
    name: Name for its results: the checkpoint's, followed by any changes.
    tracker: Tracking algorithm.
    variables: Weights and statistics of its network.
    hparams: Hyper-parameters.
    precision: Precision of matrix products, a value of
      `jax.default_matmul_precision`. Programs are traced with it, so that the
      setting of the process has no effect.
  """

  name: str
  tracker: Tracker
  variables: Variables
  hparams: Hparams
  precision: str = 'highest'

  @functools.cached_property
  def fingerprint(self) -> str:
    """Checksum of weights and statistics, as 8 hexadecimal digits."""
    total = 0
    for leaf in jax.tree.leaves(self.variables):
      total = zlib.crc32(np.ascontiguousarray(leaf), total)
    return f'{total:08x}'

  def about(self) -> dict[str, Any]:
    """Describes everything that its results depend on, except the name."""
    return {
      'acm_jax': _version(),
      'weights': self.fingerprint,
      'tracker': _described(self.tracker),
      'hparams': hparams_of(self.hparams),
      'precision': self.precision,
    }


def hparams_of(hparams: Hparams) -> dict[str, float]:
  """Returns hyper-parameters by name, as Python floats."""
  return {name: float(value) for name, value in vars(hparams).items()}


def _version() -> str:
  try:
    return importlib.metadata.version('acm-jax')
  except importlib.metadata.PackageNotFoundError:
    # The source is used without an installation.
    return 'unknown'


def _described(value: Any) -> Any:
  """Converts trackers and modules to values of JSON, with all their fields."""
  if isinstance(value, type):
    return f'{value.__module__}.{value.__qualname__}'
  if dataclasses.is_dataclass(value):
    fields = {
      field.name: _described(getattr(value, field.name))
      for field in dataclasses.fields(value)
      # Where Flax puts a module is no setting of the module.
      if field.name not in ('parent', 'name')
    }
    return {'class': _described(type(value)), **fields}
  if isinstance(value, tuple | list):
    return [_described(item) for item in value]
  if isinstance(value, bool | int | float | str | None):
    return value
  return repr(value)
