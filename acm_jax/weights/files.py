"""State dicts read from files, running no code that is in them."""

import pickle
from pathlib import Path

import numpy as np

StateDict = dict[str, np.ndarray]


def read(path: Path) -> StateDict:
  """The arrays of a state dict by key.

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
  reader = readers.get(path.suffix.lower(), _torch)
  arrays = {
    key.removeprefix('module.'): value for key, value in reader(path).items()
  }
  broken = [
    key
    for key, value in arrays.items()
    if value.dtype.kind == 'f' and not np.isfinite(value).all()
  ]
  if broken:
    raise ValueError(f'{path}: not finite: {", ".join(broken)}')
  return arrays


def _npz(path: Path) -> StateDict:
  try:
    with np.load(path, allow_pickle=False) as arrays:
      return dict(arrays)
  except Exception as error:
    raise ValueError(f'{path}: not a readable .npz ({error})') from error


def _safetensors(path: Path) -> StateDict:
  try:
    from safetensors.numpy import load_file
  except ImportError as error:
    raise _missing('safetensors') from error
  try:
    return load_file(path)
  except Exception as error:
    raise ValueError(f'{path}: not readable ({error})') from error


def _torch(path: Path) -> StateDict:
  try:
    import torch
  except ImportError as error:
    raise _missing('torch') from error
  try:
    content = torch.load(path, map_location='cpu', weights_only=True)
  except pickle.UnpicklingError as error:
    raise ValueError(
      f'{path}: refused, it holds more than arrays or is damaged; save its '
      f'state_dict alone ({str(error).splitlines()[0]})'
    ) from error
  except Exception as error:
    raise ValueError(f'{path}: not readable by torch ({error})') from error
  for name in ('state_dict', 'model'):
    if isinstance(content, dict) and isinstance(content.get(name), dict):
      content = content[name]
  if not isinstance(content, dict):
    raise ValueError(f'{path}: no state dict in it')
  return {
    key: value.numpy()
    for key, value in content.items()
    if isinstance(value, torch.Tensor)
  }


def _missing(package: str) -> RuntimeError:
  return RuntimeError(
    f'{package} is not installed: pip install "acm-jax[convert]"'
  )
