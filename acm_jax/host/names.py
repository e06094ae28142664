"""Names that users type: case and separators do not matter."""

import re
from collections.abc import Collection

from absl import flags


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


def _letters(name: str) -> str:
  return re.sub(r'[\s._-]', '', name.casefold())
