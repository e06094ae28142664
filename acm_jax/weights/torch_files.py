"""Reader of files that torch.save wrote, which never runs code from a file."""

import collections
import pathlib
import pickle
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from acm_jax.weights import contents

# Additional types that torch may load. Next to the weights, there may be NumPy
# arrays, and NumPy scalars as learning rates; loading them runs no code.
_NUMPY = (
  *(
    (function, f'numpy.{core}.multiarray.{function.__name__}')
    for core in ('core', '_core')
    for function in (
      np._core.multiarray.scalar,
      np._core.multiarray._reconstruct,
    )
  ),
  np.ndarray,
  np.dtype,
  *{type(np.dtype(code)) for code in '?bhilqBHILQefd'},
)


def _dictionary(*_: Any) -> dict:
  return {}


def _list(*_: Any) -> list:
  return []


def _nothing(*_: Any) -> None:
  return None


# Objects next to the weights are loaded as dictionaries, lists, pure paths or
# nothing, and not as objects of their classes.
_OTHERS = (
  (_dictionary, 'collections.defaultdict'),
  (_list, 'collections.deque'),
  *(
    (_nothing, f'{module}.{kind}')
    for module, kinds in (
      ('datetime', 'date datetime time timedelta timezone'),
      ('decimal', 'Decimal'),
      ('fractions', 'Fraction'),
      # Among others, what a defaultdict makes missing values of.
      ('builtins', 'bool dict float frozenset int list range slice str tuple'),
    )
    for kind in kinds.split()
  ),
  (collections.OrderedDict, 'uuid.UUID'),
  (collections.OrderedDict, 'argparse.Namespace'),
  (collections.OrderedDict, 'types.SimpleNamespace'),
  (collections.OrderedDict, 'easydict.EasyDict'),
  (collections.OrderedDict, 'yacs.config.CfgNode'),
  *(
    (pathlib.PurePath, f'{module}.{kind}')
    for module in ('pathlib', 'pathlib._local')
    for kind in ('PosixPath', 'WindowsPath')
  ),
)


def read(path: pathlib.Path) -> Any:
  """Reads what torch.save wrote, with NumPy arrays in the place of tensors.

  Tensors in types that NumPy lacks become float32. Tensors that NumPy cannot
  represent, such as quantised ones, stay tensors.

  Raises:
    OSError: The operating system cannot read the file.
    ValueError: The file is damaged, or would run code.
    RuntimeError: torch is not installed.
  """
  try:
    import torch
  except ImportError as error:
    raise RuntimeError(
      'torch is not installed; run: pip install "acm-jax[convert]"'
    ) from error

  def in_numpy(content: Any) -> Any:
    if isinstance(content, Mapping):
      return {key: in_numpy(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
      return [in_numpy(value) for value in content]
    if not isinstance(content, torch.Tensor):
      return content
    tensor = content.detach()
    try:
      if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
      if tensor.is_floating_point() and tensor.itemsize < 4:
        tensor = tensor.float()
      return tensor.numpy(force=True)
    except (RuntimeError, TypeError):
      return content

  with (
    contents.refusing_damage(path, _reason),
    warnings.catch_warnings(action='ignore'),
    torch.serialization.safe_globals([*_NUMPY, *_OTHERS]),
  ):
    content = torch.load(path, map_location='cpu', weights_only=True)
  return in_numpy(content)


def _reason(error: Exception) -> str:
  """Explains an error of torch, without torch's advice to run the file."""
  if not isinstance(error, pickle.UnpicklingError):
    return (
      'torch cannot read the file; it may be damaged or truncated, so download '
      'it again'
    )
  save = "torch.save(model.state_dict(), 'weights.pth')"
  if 'Unsupported operand' in str(error):
    return (
      'refused, because torch reads this kind of pickle only by running its '
      f'code; save the file again without `pickle_protocol`: {save}'
    )
  named = re.search(r'GLOBAL ([\w.]+)', str(error))
  found = f' ({named[1]})' if named else ''
  return (
    f'refused, because it holds objects{found} other than arrays, for example '
    'a whole model, and reading such objects can run code; save only the state '
    f'dict, where the file was made: {save}'
  )
