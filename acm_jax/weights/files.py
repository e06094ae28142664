"""Readers of state dicts in files, which never run code from the files."""

import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy

StateDict = dict[str, np.ndarray]


class Weights(NamedTuple):
  """Contents of a weights file.

  Attributes:
    arrays: State dict, a dictionary from keys to arrays.
    ignored: Names of other entries, such as the state of an optimizer.
  """

  arrays: StateDict
  ignored: tuple[str, ...] = ()


# Additional types that torch may load. Learning rates in a saved optimizer may
# be NumPy scalars; loading them runs no code.
_NUMPY_SCALARS = (
  (np._core.multiarray.scalar, 'numpy.core.multiarray.scalar'),
  (np._core.multiarray.scalar, 'numpy._core.multiarray.scalar'),
  np.dtype,
  np.dtypes.Float32DType,
  np.dtypes.Float64DType,
)


def read(path: Path) -> Weights:
  """Reads a state dict.

  In a checkpoint, the state dict is the entry `state_dict` or `model`. A prefix
  `module.` is removed from the keys.

  Args:
    path: `.npz` file, `.safetensors` file, or a file that torch.save wrote
      (`.pth`, `.pt` or `.tar`).

  Raises:
    OSError: The file does not exist.
    ValueError: The file cannot be read, would run code, or holds values that
      are not finite.
    RuntimeError: The package that reads the file is not installed.
  """
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file; give a file of weights')
  readers = {'.npz': _npz, '.safetensors': _safetensors}
  weights = readers.get(path.suffix.lower(), _torch)(path)
  arrays = {
    key.removeprefix('module.'): value for key, value in weights.arrays.items()
  }
  not_finite = [
    key
    for key, value in arrays.items()
    if value.dtype.kind == 'f' and not np.isfinite(value).all()
  ]
  if not_finite:
    raise ValueError(
      f'{path}: arrays with values that are not finite: '
      f'{", ".join(not_finite)}; save a model that has finite weights'
    )
  return weights._replace(arrays=arrays)


def _npz(path: Path) -> Weights:
  try:
    with np.load(path, allow_pickle=False) as arrays:
      return Weights(dict(arrays))
  except Exception as error:
    raise ValueError(
      f'{path}: not a readable .npz file ({error}); save the arrays again'
    ) from error


def _safetensors(path: Path) -> Weights:
  try:
    return Weights(safetensors.numpy.load_file(path))
  except Exception as error:
    raise ValueError(
      f'{path}: not a readable .safetensors file ({error}); save or download '
      'the file again'
    ) from error


def _torch(path: Path) -> Weights:
  try:
    import torch
  except ImportError as error:
    raise RuntimeError(
      'torch is not installed; run: pip install "acm-jax[convert]"'
    ) from error
  try:
    with torch.serialization.safe_globals(_NUMPY_SCALARS):
      content = torch.load(path, map_location='cpu', weights_only=True)
  except pickle.UnpicklingError as error:
    raise ValueError(
      f'{path}: refused, because the file is damaged or holds objects other '
      f"than arrays ({str(error).splitlines()[0]}); save only the model's "
      'state_dict'
    ) from error
  except Exception as error:
    reason = str(error).split('. ')[0]
    raise ValueError(
      f'{path}: torch cannot read the file ({reason}); it may be truncated, so '
      'download it again'
    ) from error
  ignored: set[str] = set()
  for name in ('state_dict', 'model'):
    if isinstance(content, dict) and isinstance(content.get(name), dict):
      ignored |= content.keys() - {name}
      content = content[name]
  if not isinstance(content, dict):
    raise ValueError(
      f'{path}: contains no state dict; save the state_dict of a model'
    )
  arrays = {
    key: value.numpy()
    for key, value in content.items()
    if isinstance(value, torch.Tensor)
  }
  return Weights(arrays, tuple(sorted(ignored | content.keys() - arrays)))
