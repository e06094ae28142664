"""Comparison of folders."""

from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
  """Reads all files in a folder; keys are relative paths."""
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file()
  }
