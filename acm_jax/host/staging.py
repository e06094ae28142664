"""What is written appears whole under its name or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from etils import epath


@contextlib.contextmanager
def staged(out: Path, replace: bool = False) -> Iterator[Path]:
  """Gives an empty folder beside `out` that takes its name at the end.

  When the block raises, the folder is removed and `out` stays as it was.

  Args:
    out: The final name.
    replace: Whether a folder of that name is replaced.

  Raises:
    ValueError: `out` exists and must not be replaced.
  """
  if out.exists() and not replace:
    raise ValueError(f'{out} is there already: remove it or name another')
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
  """A file of this machine to write to; takes its place when all went well.

  Args:
    path: The final name, here or at an address that etils.epath knows.
  """
  if not is_here(path):
    with tempfile.TemporaryDirectory() as folder:
      temporary = Path(folder) / os.path.basename(path)
      yield temporary
      # What is far away appears when it is closed.
      with temporary.open('rb') as made, epath.Path(path).open('wb') as file:
        shutil.copyfileobj(made, file)
    return
  path = Path(path)
  temporary = path.with_name(f'.{os.getpid()}.{path.name}')
  try:
    yield temporary
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def is_here(path: epath.PathLike) -> bool:
  """Whether a path is of this machine's file system."""
  return '://' not in os.fspath(path)
