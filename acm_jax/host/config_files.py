"""Finds config files by path or by name, and lets them import each other."""

import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
  """Folder of the configs that come with the package.

  In an installation it lies in the package, in a clone beside it.
  """
  installed = _PACKAGE / 'configs'
  return installed if installed.is_dir() else _PACKAGE.parent / 'configs'


def find(value: str) -> Path:
  """Finds the file of a config.

  Args:
    value: Path of a file; or NAME, NAME.py or configs/NAME.py of a config that
      comes with the package, whatever the working folder is.

  Raises:
    FileNotFoundError: There is no such file; the message lists the configs of
      the package.
  """
  if Path(value).is_file():
    return Path(value)
  own = folder()
  named = re.fullmatch(r'(?:configs/)?(\w+)(?:\.py)?', value)
  if named and (path := own / f'{named[1]}.py').is_file():
    return path
  # Those with a `get_config`; the others are parts of these.
  known = [
    path.stem
    for path in sorted(own.glob('*.py'))
    if '\ndef get_config(' in path.read_text()
  ]
  raise FileNotFoundError(
    f'--config {value}: no such file; the package has {", ".join(known)}'
  )


def resolve(values: flags.FlagValues, argv: Sequence[str]) -> list[str]:
  """Puts paths in the place of the names of configs on a command line.

  The files can import their neighbours, and the configs of the package, as
  `configs.NAME`.

  Args:
    values: Flags of the command; only a flag `--config` of ml_collections is
      looked at.
    argv: The command line.

  Raises:
    FileNotFoundError: See `find`.
  """
  argv = list(argv)
  if not ('config' in values and _is_config(values['config'])):
    return argv
  for number, argument in enumerate(argv):
    flag, equals, value = argument.partition('=')
    if flag not in ('--config', '-config'):
      continue
    if not equals:
      if number + 1 == len(argv):
        continue
      number, value, flag = number + 1, argv[number + 1], ''
    name, colon, arg = value.partition(':')
    path = find(name)
    _make_importable(path.resolve().parent)
    argv[number] = f'{flag}{equals}{path}{colon}{arg}'
  return argv


def _is_config(flag: flags.Flag) -> bool:
  """Whether ml_collections reads a flag as a config file."""
  return hasattr(type(flag), 'override_values')


def _make_importable(own: Path) -> None:
  """Makes the files of a folder, and of the package, modules of `configs`."""
  package = sys.modules.get('configs')
  if package is None:
    spec = importlib.util.spec_from_loader('configs', None, is_package=True)
    package = importlib.util.module_from_spec(spec)
    sys.modules['configs'] = package
  for place in (str(own), str(folder())):
    if place not in package.__path__:
      package.__path__.append(place)
