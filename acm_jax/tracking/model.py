"""Trained tracker: algorithm, weights and hyper-parameters in one value."""

import dataclasses
import functools
import importlib.metadata
import zlib
from typing import Any

import jax
import numpy as np

from acm_jax.tracking.contract import Hparams, Tracker, Variables

# Supported values of `jax.default_matmul_precision`. Their results differ on
# some devices.
PRECISIONS = (
  'default',
  'bfloat16',
  'tensorfloat32',
  'high',
  'float32',
  'highest',
)


def check_precision(name: str) -> None:
  """Checks the name of a precision of matrix products.

  Raises:
    ValueError: The name is not one of `PRECISIONS`.
  """
  if name not in PRECISIONS:
    raise ValueError(
      f'unknown precision {name!r}; choose from {", ".join(PRECISIONS)}'
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
  """Trained tracker with everything that its results depend on.

  Attributes:
    name: Name of the checkpoint, followed by any changes to its settings.
    tracker: Tracking algorithm.
    variables: Weights and statistics of the network.
    hparams: Hyper-parameters.
    precision: Precision of matrix products, one of `PRECISIONS`. Programs are
      traced with this value, so that JAX's global setting has no effect.
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

  @functools.cached_property
  def on_device(self) -> Variables:
    """Variables on the default device, prepared for tracking if it is a CPU."""
    # NumPy arrays would be copied to the device in every call.
    variables = jax.device_put(self.variables)
    if jax.default_backend() != 'cpu':
      return variables
    return self.tracker.prepare(variables)

  def about(self) -> dict[str, Any]:
    """Describes all that the results depend on, except the model's name.

    Returns:
      A dictionary whose values can be written as JSON. It contains the
      `fingerprint` of the weights and statistics instead of their values.
    """
    return {
      'acm_jax': _version(),
      'weights': self.fingerprint,
      'tracker': _described(self.tracker),
      'hparams': hparams_of(self.hparams),
      'precision': self.precision,
    }


def hparams_of(hparams: Hparams) -> dict[str, float]:
  """Returns a dictionary from names of hyper-parameters to Python floats."""
  return {name: float(value) for name, value in vars(hparams).items()}


def _version() -> str:
  try:
    return importlib.metadata.version('acm-jax')
  except importlib.metadata.PackageNotFoundError:
    # The source code is used without being installed.
    return 'unknown'


def _described(value: Any, path: str = 'tracker') -> Any:
  """Converts a tracker or a module and all of its fields to JSON values.

  Args:
    value: Tracker, module or field.
    path: Python expression for the value, which the error message shows.
  """
  if isinstance(value, type):
    return f'{value.__module__}.{value.__qualname__}'
  if dataclasses.is_dataclass(value):
    fields = {
      field.name: _described(getattr(value, field.name), f'{path}.{field.name}')
      for field in dataclasses.fields(value)
      # Flax sets these two fields to the module's position in a network.
      if field.name not in ('parent', 'name')
    }
    return {'class': _described(type(value)), **fields}
  if isinstance(value, tuple | list):
    return [_described(x, f'{path}[{i}]') for i, x in enumerate(value)]
  if isinstance(value, bool | int | float | str | None):
    return value
  raise TypeError(
    f'{path} is of type {type(value).__name__}, which cannot be written as '
    'JSON; use a class, an instance of a dataclass, a tuple, a list, a string, '
    'a number, a boolean or None'
  )
