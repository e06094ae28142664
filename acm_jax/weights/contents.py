"""Formats of files, recognised by their contents and not by their names."""

import contextlib
import errno
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from acm_jax.weights.excerpt import excerpt

Format = Literal['torch', 'npz', 'safetensors']

# Number of bytes at the beginning of a file that decide its format.
_HEAD = 1024
# Number that torch.save writes first if it does not write a zip archive.
_TORCH_MAGIC = b'\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'
# Maximum length of the header of a safetensors file, in bytes.
_LONGEST_HEADER = 100_000_000
# Maximum number of characters that a message quotes.
_QUOTED = 60

_DOWNLOAD = 'download the file itself instead of the page that links to it'
_UNPACK = 'unpack it and give the file of weights in it'
_PORT = 'give the state dict of the same network in PyTorch'
_GIVE = 'give a state dict in a file of torch.save, safetensors or np.savez'
_AGAIN = 'download the file again'
# First bytes of files that hold no weights, what the file is, and what to do.
_OTHERS = (
  (
    rb'version https://git-lfs',
    'a Git LFS pointer',
    'run git lfs pull in its clone',
  ),
  (rb'(?i)(<!doctype html|<html|<head|<body|<!--)', 'an HTML page', _DOWNLOAD),
  (rb'<', 'an XML document', _DOWNLOAD),
  (rb'\x89HDF\r\n', 'an HDF5 file, such as Keras writes', _PORT),
  (rb'.{4}TFL3', 'a TensorFlow Lite model', _PORT),
  (rb'\x08\x01\x12', 'a TensorFlow SavedModel', _PORT),
  (rb'\x08[\x02-\x7f][\x12\x1a"(2:]', 'an ONNX graph', _PORT),
  (rb'\n[\x04-\xff].{0,2}\n[\x01-\x7f][A-Za-z]', 'a TensorFlow graph', _PORT),
  (rb'MATLAB \d', 'a MATLAB file', _PORT),
  (rb'GGUF', 'a GGUF file', _PORT),
  (rb'\x93NUMPY', 'a single NumPy array', 'save all arrays with np.savez'),
  (
    rb'\x1f\x8b|BZh|7z\xbc\xaf|Rar!|\xfd7zXZ|\x28\xb5\x2f\xfd',
    'a compressed archive',
    _UNPACK,
  ),
  (rb'.{257}ustar', 'a tar archive', _UNPACK),
  (rb'PK\x05\x06', 'an empty zip archive', 'save the weights again'),
  (rb'\x89PNG|\xff\xd8\xff|GIF8', 'an image', _DOWNLOAD),
  (rb'%PDF', 'a PDF document', _DOWNLOAD),
  (
    rb'\0{32}',
    'a file that begins with zeros, as after an interrupted download',
    _AGAIN,
  ),
)


def recognise(path: Path) -> Format:
  """Returns the format of a file of weights.

  Args:
    path: Existing file.

  Raises:
    OSError: The file cannot be opened.
    ValueError: The file is empty or damaged or holds something else, which the
      message names.
  """
  with path.open('rb') as file:
    head = file.read(_HEAD)
  if not head:
    raise ValueError(f'{path}: an empty file; {_AGAIN}')
  if head.startswith(b'PK\x03\x04'):
    return _in_zip(path)
  if head[:1] == b'\x80' and _TORCH_MAGIC in head[:40]:
    return 'torch'
  header = int.from_bytes(head[:8], 'little')
  if head[8:9] == b'{' and header <= _LONGEST_HEADER:
    return 'safetensors'
  if re.match(rb'\x80[\x02-\x05]', head):
    raise ValueError(
      f'{path}: refused, because it is a pickle that torch.save did not write, '
      'and reading it can run code; save the state dict with torch.save'
    )
  what, fix = _other(head, path.name)
  raise ValueError(f'{path}: no weights, but {what}; {fix}')


@contextlib.contextmanager
def refusing_damage(
  path: Path, reason: Callable[[Exception], str]
) -> Iterator[None]:
  """Reports errors of a library that reads a damaged file as ValueError.

  Only the library's call belongs in the block, because errors of nearly all
  types count as damage: a damaged file misleads a library in many ways.

  Args:
    path: File that the library reads.
    reason: Function from the library's error to the end of the message.

  Raises:
    MemoryError: The memory is not sufficient.
    OSError: The operating system cannot read the file.
    ValueError: The file is damaged.
  """
  try:
    yield
  except Exception as error:
    # In a damaged archive, zipfile may seek to a place before the beginning, or
    # bz2 raises OSError without a number.
    misled = isinstance(error, OSError) and error.errno in (None, errno.EINVAL)
    if isinstance(error, OSError | MemoryError) and not misled:
      raise
    raise ValueError(f'{path}: {reason(error)}') from error


def _in_zip(path: Path) -> Format:
  """Returns the format of a zip archive, and checks its checksums."""
  with (
    refusing_damage(
      path,
      lambda error: (
        f'not a readable zip archive ({error}); the file may be truncated, so '
        'download it again'
      ),
    ),
    zipfile.ZipFile(path) as archive,
  ):
    members = archive.infolist()
    # torch can be set to write no checksums; all of them are 0 then.
    checked = any(member.CRC for member in members)
    damaged = archive.testzip() if checked else None
  if damaged:
    raise ValueError(f'{path}: damaged (wrong checksum of {damaged}); {_AGAIN}')
  names = [member.filename for member in members]
  parts = {name.partition('/')[2] for name in names}
  if {'data.pkl', 'constants.pkl'} <= parts:
    raise ValueError(
      f'{path}: refused, because a TorchScript archive holds code; save its '
      "state dict: torch.save(torch.jit.load('FILE').state_dict(), "
      "'weights.pth')"
    )
  if 'data.pkl' in parts:
    return 'torch'
  if all(name.endswith('.npy') for name in names):
    return 'npz'
  raise ValueError(
    f'{path}: no weights, but a zip archive of {excerpt(names)}; {_UNPACK}'
  )


def _other(head: bytes, name: str) -> tuple[str, str]:
  """Describes what a file holds instead of weights, and what to do."""
  if re.search(r'\.(index|data-\d+-of-\d+)$', name):
    return 'a part of a TensorFlow checkpoint', _PORT
  start = head.removeprefix(b'\xef\xbb\xbf').lstrip(b' \t\r\n')
  for beginning in (head, start):
    for pattern, what, fix in _OTHERS:
      if re.match(pattern, beginning, re.DOTALL):
        return what, fix
  # A character at the end of the head may be cut.
  text = start.decode('utf-8', 'replace').rstrip('\ufffd')
  if text and all(char.isprintable() or char.isspace() for char in text):
    line = text.splitlines()[0][:_QUOTED]
    return f'a text file that begins with {line!r}', _GIVE
  begins = head[:8].hex(' ')
  return f'a file of unknown format (its first bytes are {begins})', _GIVE
