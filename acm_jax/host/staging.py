"""Atomic writing: a file or folder appears complete or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from etils import epath


@contextlib.contextmanager
def staged(out: Path, replace: bool = False) -> Iterator[Path]:
  """Yields an empty folder, which is renamed to `out` after the block.

  The folder is next to `out`. If the block raises, the folder is removed and
  `out` stays as it was.

  Args:
    out: Final path of the folder.
    replace: Whether an existing `out` is replaced.

  Raises:
    ValueError: `out` exists and `replace` is False.
  """
  if out.exists() and not replace:
    raise ValueError(f'{out}: already exists; remove it or choose another path')
  folder = out.with_name(f'.{out.name}.{os.getpid()}.partial')
  folder.mkdir(parents=True)
  try:
    yield folder
    if out.exists():
      shutil.rmtree(out)
    folder.rename(out)
  except BaseException:
    shutil.rmtree(folder, ignore_errors=True)
    raise


@contextlib.contextmanager
def replacing(path: epath.PathLike) -> Iterator[Path]:
  """Yields a local path to write to, and moves the file to `path` on success.

  If the block raises, the file at `path` stays as it was.

  Args:
    path: Final path, or remote address that etils.epath supports.
  """
  if not is_local(path):
    with tempfile.TemporaryDirectory() as folder:
      temporary = Path(folder) / os.path.basename(path)
      yield temporary
      # A remote file only appears, or is replaced, when it is closed.
      with temporary.open('rb') as local, epath.Path(path).open('wb') as remote:
        shutil.copyfileobj(local, remote)
    return
  path = Path(path)
  temporary = path.with_name(f'.{os.getpid()}.{path.name}')
  try:
    yield temporary
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def is_local(path: epath.PathLike) -> bool:
  """Returns whether a path is on the local file system."""
  return '://' not in os.fspath(path)
