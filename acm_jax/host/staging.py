"""Atomic writing: a file or folder appears complete or not at all."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from etils import epath

# Errors of writing for which the user must make room, and how.
_ADVICE = {
  errno.ENOSPC: 'free space on the disk',
  errno.EDQUOT: 'free space within the quota of the disk',
  errno.EFBIG: 'raise the limit of file sizes (ulimit -f)',
}


class FullDiskError(OSError):
  """A file cannot be written: the disk is full, or a limit is reached.

  `filename` is the path of the file.
  """


@contextlib.contextmanager
def naming(path: Path, written: Path | None = None) -> Iterator[None]:
  """Names a file or folder in the errors of writing it.

  The operating system names a file that cannot be opened, but not a file that
  cannot be written to the end.

  Args:
    path: Final path of the file or folder.
    written: Path that the block writes to (default: `path`). Errors name the
      final path instead.

  Raises:
    FullDiskError: The disk is full, or a limit is reached.
  """
  try:
    yield
  except OSError as error:
    if error.filename is not None and written is not None:
      error.filename = str(error.filename).replace(str(written), str(path))
    if error.errno not in _ADVICE or isinstance(error, FullDiskError):
      raise
    text = f'{error.strerror}; {_ADVICE[error.errno]}'
    raise FullDiskError(error.errno, text, str(path)) from error


def full_disk(message: str) -> OSError | None:
  """Returns the error of a full disk that a program's message reports, if any.

  Args:
    message: Message that contains the operating system's text for the error.
  """
  for code in _ADVICE:
    if os.strerror(code) in message:
      return OSError(code, os.strerror(code))
  return None


@contextlib.contextmanager
def staged(out: Path, replace: bool = False) -> Iterator[Path]:
  """Yields an empty folder, which is renamed to `out` after the block.

  The folder is next to `out`. If the block raises or the folder cannot be
  renamed, the folder is removed and `out` stays as it was.

  Args:
    out: Final path of the folder.
    replace: Whether an existing `out` is replaced.

  Raises:
    FullDiskError: The disk is full; the error names the file by the final path.
    ValueError: `replace` is False, and `out` exists before the block or is
      created by another process during the block.
  """
  advice = 'remove it or choose another path'
  if os.path.lexists(out) and not replace:
    raise ValueError(f'{out}: already exists; {advice}')
  folder = out.with_name(f'.{out.name}.{os.getpid()}.partial')
  folder.mkdir(parents=True)
  try:
    with naming(out, folder):
      yield folder
    if not os.path.lexists(out):
      folder.rename(out)
    elif replace:
      _swap(folder, out)
    else:
      raise ValueError(
        f'{out}: was created by another process meanwhile, so nothing was '
        f'written; {advice}'
      )
  except BaseException:
    shutil.rmtree(folder, ignore_errors=True)
    raise


def _swap(folder: Path, out: Path) -> None:
  """Renames a folder to `out`, and deletes the previous `out` afterwards."""
  previous = out.with_name(f'.{out.name}.{os.getpid()}.previous')
  out.rename(previous)
  try:
    folder.rename(out)
  except BaseException:
    previous.rename(out)
    raise
  if previous.is_dir() and not previous.is_symlink():
    shutil.rmtree(previous)
  else:
    previous.unlink()


@contextlib.contextmanager
def replacing(path: epath.PathLike) -> Iterator[Path]:
  """Yields a local path to write to, and moves the file to `path` on success.

  If the block raises, the file at `path` stays as it was.

  Args:
    path: Final path, or remote address that etils.epath supports.

  Raises:
    FullDiskError: The disk is full; the error names `path`.
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
    with naming(path, temporary):
      yield temporary
      os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def check_absent(path: Path) -> None:
  """Checks that no result of an earlier run would be replaced.

  Raises:
    ValueError: The file exists; the message advises the flag `overwrite`.
  """
  if path.exists():
    raise ValueError(
      f'{path}: already exists; choose another `out`, or set `overwrite` to '
      'replace the results of an earlier run'
    )


def is_local(path: epath.PathLike) -> bool:
  """Returns whether a path is on the local file system."""
  return '://' not in os.fspath(path)
