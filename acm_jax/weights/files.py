"""State dicts read from files, running no code that is in them."""

import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np

StateDict = dict[str, np.ndarray]


class Weights(NamedTuple):
  """What a file of weights holds.

  Attributes:
    arrays: The state dict, by key.
    ignored: Names of what stands beside it, as the state of an optimizer.
  """

  arrays: StateDict
  ignored: tuple[str, ...] = ()


# The learning rates of a saved optimizer may be NumPy's; they are inert.
_NUMPY_SCALARS = (
  (np._core.multiarray.scalar, 'numpy.core.multiarray.scalar'),
  (np._core.multiarray.scalar, 'numpy._core.multiarray.scalar'),
  np.dtype,
  np.dtypes.Float32DType,
  np.dtypes.Float64DType,
)


def read(path: Path) -> Weights:
  """Reads the arrays of a state dict by key.

  Args:
    path: `.pth`, `.pt` or `.tar` as torch.save writes them, `.safetensors`
      or `.npz`. A dict that holds the state dict under `state_dict` or `model`
      is opened, a prefix `module.` dropped.

  Raises:
    OSError: The file is not there.
    ValueError: It cannot be read, would run code, or holds values that are
      not finite.
    RuntimeError: A package to read it is not installed.
  """
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file')
  readers = {'.npz': _npz, '.safetensors': _safetensors}
  found = readers.get(path.suffix.lower(), _torch)(path)
  arrays = {
    key.removeprefix('module.'): value for key, value in found.arrays.items()
  }
  broken = [
    key
    for key, value in arrays.items()
    if value.dtype.kind == 'f' and not np.isfinite(value).all()
  ]
  if broken:
    raise ValueError(f'{path}: not finite: {", ".join(broken)}')
  return found._replace(arrays=arrays)


def _npz(path: Path) -> Weights:
  try:
    with np.load(path, allow_pickle=False) as arrays:
      return Weights(dict(arrays))
  except Exception as error:
    raise ValueError(f'{path}: not a readable .npz ({error})') from error


def _safetensors(path: Path) -> Weights:
  try:
    from safetensors.numpy import load_file
  except ImportError as error:
    raise _missing('safetensors') from error
  try:
    return Weights(load_file(path))
  except Exception as error:
    raise ValueError(f'{path}: not readable ({error})') from error


def _torch(path: Path) -> Weights:
  try:
    import torch
  except ImportError as error:
    raise _missing('torch') from error
  try:
    with torch.serialization.safe_globals(_NUMPY_SCALARS):
      content = torch.load(path, map_location='cpu', weights_only=True)
  except pickle.UnpicklingError as error:
    raise ValueError(
      f'{path}: refused, it holds more than arrays or is damaged; save its '
      f'state_dict alone ({str(error).splitlines()[0]})'
    ) from error
  except Exception as error:
    reason = str(error).split('. ')[0]
    raise ValueError(
      f'{path}: torch cannot read it ({reason}); is it cut short? '
      'Fetch it again'
    ) from error
  ignored: set[str] = set()
  for name in ('state_dict', 'model'):
    if isinstance(content, dict) and isinstance(content.get(name), dict):
      ignored |= content.keys() - {name}
      content = content[name]
  if not isinstance(content, dict):
    raise ValueError(f'{path}: no state dict in it')
  arrays = {
    key: value.numpy()
    for key, value in content.items()
    if isinstance(value, torch.Tensor)
  }
  return Weights(arrays, tuple(sorted(ignored | content.keys() - arrays)))


def _missing(package: str) -> RuntimeError:
  return RuntimeError(
    f'{package} is not installed: pip install "acm-jax[convert]"'
  )
