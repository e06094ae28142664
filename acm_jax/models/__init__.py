"""Model folders: a trained tracker as config.json and weights.safetensors.

The models of this package are folders next to this file, each with a model card
README.md.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from acm_jax.host import names as host_names
from acm_jax.host.staging import replacing

_WEIGHTS = 'weights.safetensors'
_SHIPPED = Path(__file__).parent
# Key of the checksum in the metadata of a file.
_CHECKSUM = 'sha256'


def names() -> list[str]:
  """Returns the names of the models in this package."""
  return sorted(path.parent.name for path in _SHIPPED.glob(f'*/{_WEIGHTS}'))


def find(folder: str) -> Path:
  """Returns the path of a folder that is given by path or by model name.

  Args:
    folder: Path of a folder, or name of a model in this package, in any
      spelling.

  Raises:
    FileNotFoundError: There is neither a folder nor a model of this name.
    ValueError: There are both.
  """
  path = Path(folder).expanduser()
  model = host_names.find(folder, names())
  if folder != model and path.is_dir():
    return path
  if model is None:
    raise FileNotFoundError(
      f'{folder}: no such folder; give the folder of a training run or of a '
      f'model, or the name of a model in this package: {", ".join(names())}'
    )
  if path.exists():
    raise ValueError(
      f'{folder}: both a model in this package and a folder here; give the '
      f'folder as ./{folder}, or rename it'
    )
  return _SHIPPED / model


def has_weights(folder: Path) -> bool:
  """Returns whether a folder belongs to a model, not to a training run."""
  return (folder / _WEIGHTS).is_file()


def write_weights(
  folder: Path, variables: Mapping[str, Any], dtype: str = 'float32'
) -> None:
  """Writes the weights of a model folder.

  Args:
    folder: Existing folder.
    variables: Weights and statistics of the network.
    dtype: Type of the numbers in the file, 'float32' or 'float16'.

  Raises:
    ValueError: A number is too large for `dtype`, or not finite, or the weights
      are prepared for tracking.
  """
  # Imported on use: a command that only asks for `names` starts fast.
  from flax import traverse_util
  from safetensors.numpy import save

  from acm_jax.modules.prepared import check_plain

  check_plain(variables, 'save')
  arrays = {}
  for key, value in traverse_util.flatten_dict(variables, sep='/').items():
    with np.errstate(over='ignore'):
      arrays[key] = np.ascontiguousarray(value).astype(dtype)
    if not np.isfinite(arrays[key]).all():
      raise ValueError(
        f'{key}: has numbers that {dtype} cannot represent, or NaN; choose a '
        'larger type for large numbers, and replace NaN and infinite values'
      )
  content = save(arrays, {_CHECKSUM: _checksum(arrays)})
  with replacing(folder / _WEIGHTS) as path:
    path.write_bytes(content)


def read_weights(folder: Path) -> dict[str, Any]:
  """Reads the weights of a model folder, as float32 arrays.

  Raises:
    ValueError: The file is damaged or was not written by `write_weights`.
  """
  import safetensors
  from flax import traverse_util

  path = folder / _WEIGHTS
  advice = 'replace the file with an intact copy, or install the package again'
  try:
    with safetensors.safe_open(path, framework='numpy') as file:
      metadata = file.metadata() or {}
      arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
  except safetensors.SafetensorError as error:
    raise ValueError(f'{path}: damaged ({error}); {advice}') from error
  if _CHECKSUM not in metadata:
    raise ValueError(
      f'{path}: has no checksum, so it was not written by `acm-jax export`; '
      'convert PyTorch weights to a model with `acm-jax convert`'
    )
  if metadata[_CHECKSUM] != _checksum(arrays):
    raise ValueError(f'{path}: damaged (wrong checksum); {advice}')
  return traverse_util.unflatten_dict(
    {key: value.astype(np.float32) for key, value in arrays.items()}, sep='/'
  )


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
  """Returns the SHA-256 of the arrays' names, types, shapes and values."""
  total = hashlib.sha256()
  for key in sorted(arrays):
    array = arrays[key]
    total.update(f'{key} {array.dtype} {array.shape};'.encode())
    total.update(array.tobytes())
  return total.hexdigest()
