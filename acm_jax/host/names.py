"""Names that users type: case and separators do not matter."""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Mapping

from absl import flags
from etils import epath

from acm_jax.host import text_files

# Number of unknown names that a message lists.
_LISTED = 5


def find(name: str, known: Collection[str]) -> str | None:
  """Returns the name in `known` that a user means, or None.

  An exact match takes precedence. Otherwise case, spaces, dashes, dots and
  underscores do not matter: `OTB-100` is `otb100`. None is returned if no name
  or more than one name matches.
  """
  if name in known:
    return name
  meant = [each for each in known if _letters(each) == _letters(name)]
  return meant[0] if len(meant) == 1 else None


def listed(words: Iterable[str], known: Collection[str] = ()) -> dict[str, str]:
  """Replaces the paths of files with the names in the files.

  Args:
    words: Names, and paths of text files with one name per line.
    known: Words that are names, even if there is a file of this name.

  Returns:
    A dictionary from the names, in the given order, to the files they are from;
    an empty text for a name in `words`. A word that is neither known nor the
    path of a file is a name. Empty words are left out.

  Raises:
    OSError: A file cannot be read.
    ValueError: A file has no names, or is not text in UTF-8.
  """
  names: dict[str, str] = {}
  for word in words:
    # Path.expanduser would raise an error if there is no such user.
    file = epath.Path(os.path.expanduser(word))
    if word not in known and file.is_file():
      inside = text_files.lines(file)
      if not inside:
        raise ValueError(f'{file}: contains no names; give one per line')
      names |= {name: str(file) for name in inside if name not in names}
    elif word:
      names.setdefault(word, '')
  return names


def unknown(names: Iterable[str], known: Iterable[str]) -> str:
  """Returns the names that are not known, each with the nearest known names.

  For example, 'Car2 (nearest: Car1, Car4), nobody'. Empty if all are known.
  Only the first names are listed: '..., and 7 more'.

  Args:
    names: Names, or what `listed` returns, so that the files are named.
    known: Names that exist.
  """
  known = set(known)
  files = names if isinstance(names, Mapping) else {}
  wrong = [name for name in names if name not in known]
  by_letters = {_letters(name): name for name in sorted(known)}
  texts = [
    name
    + (f' from {files[name]}' if files.get(name) else '')
    + _nearest(name, by_letters)
    for name in wrong[:_LISTED]
  ]
  if len(wrong) > _LISTED:
    texts.append(f'and {len(wrong) - _LISTED} more')
  return ', '.join(texts)


def allow_spellings(
  values: flags.FlagValues, flag: str, known: Collection[str]
) -> None:
  """Lets a flag take the names in `known` in any spelling, as in `find`.

  Args:
    values: Flags of the command.
    flag: Name of the flag, which is already defined. Its value, or each of its
      values, is a name.
    known: Names that the flag accepts.
  """
  values[flag].parser = _Parser(values[flag].parser, tuple(known))


class _Parser(flags.ArgumentParser):
  """Parser that replaces the spelling of a name by the name itself."""

  def __init__(self, parser: flags.ArgumentParser, known: tuple[str, ...]):
    super().__init__()
    self._parser, self._known = parser, known

  def parse(self, argument):
    return self._parser.parse(find(argument, self._known) or argument)

  def flag_type(self):
    return self._parser.flag_type()


def _nearest(name: str, by_letters: Mapping[str, str]) -> str:
  found = difflib.get_close_matches(_letters(name), by_letters)
  nearest = ', '.join(by_letters[letters] for letters in found)
  return f' (nearest: {nearest})' if found else ''


def _letters(name: str) -> str:
  return re.sub(r'[\s._-]', '', name.casefold())
