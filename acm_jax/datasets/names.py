"""Lists of names that users give, and advice about unknown names."""

import difflib
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from acm_jax.host import text_files


def listed(words: Iterable[str], known: Collection[str] = ()) -> list[str]:
  """Replaces the paths of files with the names in the files.

  Args:
    words: Names, and paths of text files with one name per line.
    known: Words that are names, even if there is a file of this name.

  Returns:
    The names, in the given order and without repetition. A word that is neither
    known nor the path of a file is a name. Empty words are left out.

  Raises:
    OSError: A file cannot be read.
    ValueError: A file is not text in UTF-8.
  """
  names = []
  for word in words:
    # Path.expanduser would raise an error if there is no such user.
    file = Path(os.path.expanduser(word))
    if word not in known and file.is_file():
      names += text_files.lines(file)
    elif word:
      names.append(word)
  return list(dict.fromkeys(names))


def unknown(names: Iterable[str], known: Iterable[str]) -> str:
  """Returns the names that are not known, each with the nearest known names.

  For example, 'Car2 (nearest: Car1, Car4), nobody'. Empty if all are known.
  """
  known = set(known)
  by_spelling = {name.casefold(): name for name in sorted(known)}
  return ', '.join(
    name + _nearest(name, by_spelling) for name in names if name not in known
  )


def _nearest(name, by_spelling):
  found = difflib.get_close_matches(name.casefold(), by_spelling)
  listed = ', '.join(by_spelling[each] for each in found)
  return f' (nearest: {listed})' if found else ''
