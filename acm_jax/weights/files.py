"""Readers of state dicts in files, which never run code from the files."""

from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from acm_jax.weights import contents, torch_files, wrappers
from acm_jax.weights.excerpt import excerpt

StateDict = dict[str, np.ndarray]


class Weights(NamedTuple):
  """Contents of a weights file.

  Attributes:
    arrays: State dict, a dictionary from keys to arrays.
    ignored: Names of other entries, such as the state of an optimizer.
    entry: Name of the entry that the state dict is, with dots between the names
      of nested entries; empty if the whole file is the state dict.
  """

  arrays: StateDict
  ignored: tuple[str, ...] = ()
  entry: str = ''


def read(path: Path) -> Weights:
  """Reads a state dict.

  Entries around the state dict and parts of its keys that torch inserts are
  removed, as `wrappers.unwrap` describes. The contents of the file decide its
  format, whatever its name is.

  Args:
    path: `.npz` file, `.safetensors` file, or a file that torch.save wrote
      (`.pth`, `.pt`, `.bin`, `.tar`).

  Returns:
    The state dict. Numbers of fewer than 32 bits become float32.

  Raises:
    OSError: The file does not exist or is a folder.
    ValueError: The file holds no weights, is damaged, would run code, or has
      values that are not finite or no real numbers.
    RuntimeError: The package that reads the file is not installed.
  """
  if path.is_dir():
    raise IsADirectoryError(f'{path}: a folder; give the file of weights in it')
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file; give a file of weights')
  content = _READERS[contents.recognise(path)](path)
  try:
    found = wrappers.unwrap(content)
  except ValueError as error:
    raise ValueError(f'{path}: {error}') from error
  _refuse(
    [key for key, value in found.arrays.items() if not _is_real(value)],
    path,
    'arrays without real numbers (complex, quantised or of an unknown type)',
    'save floating-point numbers',
  )
  arrays = {key: _numpy_type(value) for key, value in found.arrays.items()}
  _refuse(
    [
      key
      for key, value in arrays.items()
      if value.dtype.kind == 'f' and not np.isfinite(value).all()
    ],
    path,
    'arrays with values that are not finite',
    'save a model that has finite weights',
  )
  return Weights(arrays, tuple(sorted(found.ignored)), '.'.join(found.entry))


def read_npz(path: Path) -> StateDict:
  """Reads an .npz file, which may have any name.

  Raises:
    OSError: The file cannot be opened.
    ValueError: The file is damaged or holds anything other than arrays.
  """
  if contents.recognise(path) != 'npz':
    raise ValueError(f'{path}: no .npz file; save the arrays with np.savez')
  # NumPy's reason is left out, because it advises to unpickle the file.
  reason = (
    'not a readable .npz file, because it is damaged or holds objects other '
    'than arrays; save the arrays again with np.savez'
  )
  with (
    contents.refusing_damage(path, lambda error: reason),
    np.load(path, allow_pickle=False) as arrays,
  ):
    return dict(arrays)


def _safetensors(path: Path) -> StateDict:
  def reason(error):
    return (
      f'not a readable .safetensors file ({error}); save the arrays as '
      'float32, or download the file again'
    )

  # NumPy knows bfloat16 because JAX is imported.
  with contents.refusing_damage(path, reason):
    return safetensors.numpy.load_file(path)


_READERS = {
  'npz': read_npz,
  'safetensors': _safetensors,
  'torch': torch_files.read,
}


def _is_real(value: Any) -> bool:
  return isinstance(value, np.ndarray) and (
    value.dtype.kind in 'fiub' or jnp.issubdtype(value.dtype, jnp.floating)
  )


def _numpy_type(value: np.ndarray) -> np.ndarray:
  """Converts types that only JAX knows, such as bfloat16, to float32."""
  return value if value.dtype.kind in 'fiub' else value.astype(np.float32)


def _refuse(keys: list[str], path: Path, fault: str, fix: str) -> None:
  """Raises an error that lists the keys, if there are any."""
  if keys:
    raise ValueError(f'{path}: {fault}: {excerpt(keys)}; {fix}')
