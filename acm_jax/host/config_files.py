"""Finds config files by path or by name, and lets them import each other."""

import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from acm_jax.host import names

_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
  """Returns the folder of the configs that come with the package.

  In an installation, the folder is inside the package. In a clone of the
  repository, the folder is next to the package.
  """
  installed = _PACKAGE / 'configs'
  return installed if installed.is_dir() else _PACKAGE.parent / 'configs'


def define(values: flags.FlagValues, *, required: bool = True) -> None:
  """Defines the flag `--config` on `values`."""
  # Imported on use, because commands without a config need no ml_collections.
  from ml_collections import config_flags

  config_flags.DEFINE_config_file(
    'config',
    None,
    'Config file, or name of a config that comes with the package. CONFIG:ARG '
    'passes an argument to the config, and --config.a.b=VALUE changes one of '
    'its values.',
    flag_values=values,
  )
  if required:
    flags.mark_flag_as_required('config', flag_values=values)


def find(config: str) -> Path:
  """Finds the file of a config.

  Args:
    config: Path of a file, or name of a config that comes with the package:
      NAME, NAME.py or configs/NAME.py, whatever the working folder; NAME in any
      spelling, as in `names.find`. If this is also the path of a file, the file
      takes precedence.

  Raises:
    FileNotFoundError: The file does not exist or is not a config. The message
      lists the configs of the package.
  """
  packaged, path = folder(), Path(config)
  name = re.fullmatch(r'(?:configs/)?([\w-]+)(?:\.py)?', config)
  if name and not path.is_file():
    known = [path.stem for path in packaged.glob('*.py')]
    path = packaged / f'{names.find(name[1], known) or name[1]}.py'
  if path.is_file() and _is_whole(path):
    return path
  problem = 'defines no get_config(arg)' if path.is_file() else 'no such file'
  # The folder also has modules that configs import; these are left out.
  known = ', '.join(
    path.stem for path in sorted(packaged.glob('*.py')) if _is_whole(path)
  )
  raise FileNotFoundError(
    f'`config` {config}: {problem}; choose another file, or a config of the '
    f'package: {known}'
  )


def load(config: str) -> dict[str, Any]:
  """Returns a config as a dictionary of its sections.

  Args:
    config: Name or path of a config, as in `find`; then optionally a colon and
      the config's argument.

  Raises:
    FileNotFoundError: The file does not exist or is not a config.
    ValueError: The config does not know the argument.
  """
  name, _, arg = config.partition(':')
  path = find(name)
  _make_importable(path.resolve().parent)
  spec = importlib.util.spec_from_file_location(path.stem, path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config(arg or None).to_dict()


def _is_whole(path: Path) -> bool:
  """Returns whether a file is a config, not a module that configs import."""
  return b'get_config' in path.read_bytes()


def resolve(values: flags.FlagValues, argv: Sequence[str]) -> list[str]:
  """Replaces config names on a command line with the paths of their files.

  Afterwards, a config can import two kinds of files as `configs.NAME`: those in
  its own folder, and the configs of the package.

  Args:
    values: Flags of the command. Nothing is replaced unless the flag `--config`
      was defined by ml_collections.
    argv: Command line.

  Returns:
    The command line, with paths in place of config names.

  Raises:
    FileNotFoundError: A config does not exist; see `find`.
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


def check(values: flags.FlagValues) -> None:
  """Checks the type of the command's config, if the command has a config.

  Raises:
    ValueError: `get_config` has returned something other than a ConfigDict.
  """
  if 'config' not in values or not _is_config(values['config']):
    return
  config = values['config'].value
  if config is not None and not hasattr(config, 'to_dict'):
    raise ValueError(
      f'`config`: get_config returned a {type(config).__name__}; return an '
      'ml_collections.ConfigDict'
    )


def _is_config(flag: flags.Flag) -> bool:
  """Returns whether ml_collections reads a flag as a config file."""
  return hasattr(type(flag), 'override_values')


def _make_importable(own: Path) -> None:
  """Makes files in `own` and in `folder()` importable as `configs.NAME`.

  Args:
    own: Folder of the config file that the command uses.
  """
  package = sys.modules.get('configs')
  if package is None:
    spec = importlib.util.spec_from_loader('configs', None, is_package=True)
    package = importlib.util.module_from_spec(spec)
    sys.modules['configs'] = package
  for path in (str(own), str(folder())):
    if path not in package.__path__:
      package.__path__.append(path)
