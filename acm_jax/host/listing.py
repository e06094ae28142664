"""Listing of files without hidden ones."""

from pathlib import Path, PurePath

# Folders of metadata: of macOS in archives, and of network storage.
_METADATA = ('__MACOSX', '@eaDir')


def is_hidden(name: str | PurePath) -> bool:
  """Returns whether a file is hidden, or lies in a hidden folder.

  Hidden are names that begin with a dot, such as `._0001.jpg` and `.git`, and
  the folders of metadata `__MACOSX` and `@eaDir`.

  Args:
    name: Path of the file, relative to the folder that the user has named.
  """
  return any(
    part.startswith('.') or part in _METADATA for part in PurePath(name).parts
  )


def find(folder: Path, pattern: str) -> list[Path]:
  """Returns the sorted paths in a folder that match a pattern.

  Hidden files and folders are left out.

  Args:
    folder: Folder to search, which may itself be hidden.
    pattern: Pattern of `Path.glob`, relative to `folder`.
  """
  return sorted(
    path
    for path in folder.glob(pattern)
    if not is_hidden(path.relative_to(folder))
  )
