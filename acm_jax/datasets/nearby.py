"""Finds the folder that a user meant, if the given one is a level off."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from acm_jax.host import listing

# Number of levels above and below a folder that are searched, and number of
# subfolders that are searched in each level below.
_ABOVE, _BELOW, _MOST = 3, 2, 32


def find(folder: Path, is_meant: Callable[[Path], bool]) -> Path | None:
  """Returns the closest folder below or above that is meant, or None.

  Hidden folders below are not searched.

  Args:
    folder: Folder that the user gave.
    is_meant: Function that returns whether a folder is the one that is meant.
      If it raises OSError or ValueError, the folder is not the one.
  """
  for candidate in _candidates(folder.resolve()):
    with contextlib.suppress(OSError, ValueError):
      if is_meant(candidate):
        return candidate
  return None


def _candidates(folder: Path) -> Iterator[Path]:
  """Yields the folders below, nearest first, and then those above.

  What is below belongs to the given folder, but what is above may have the
  layout by chance.
  """
  level = [folder]
  for _ in range(_BELOW):
    level = [each for parent in level for each in listing.find(parent, '*/')]
    level = level[:_MOST]
    yield from level
  # The root of the file system is left out: no data set is unpacked there.
  yield from (each for each in folder.parents[:_ABOVE] if each.name)
