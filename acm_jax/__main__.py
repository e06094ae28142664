"""Siamese visual object tracking with asymmetric convolution, in JAX."""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import acm_jax
from acm_jax.host import command, names

# Modules of the commands, in the order in which a new user needs them.
_COMMANDS = {
  'track': 'acm_jax.track',
  'demo': 'acm_jax.demo',
  'train': 'acm_jax.train',
  'evaluate': 'acm_jax.evaluate',
  'score': 'acm_jax.score',
  'convert': 'acm_jax.convert',
  'export': 'acm_jax.export',
  'prepare': 'data_pipelines.prepare',
  'composed': 'data_pipelines.composed',
  'rendered': 'data_pipelines.rendered',
  'synthetic': 'data_pipelines.synthetic',
  'annotations': 'acm_jax.annotations',
  'analyze': 'acm_jax.analyze',
  'pairs': 'acm_jax.pairs',
  'label': 'acm_jax.label',
  'speed': 'acm_jax.speed',
  'vot': 'acm_jax.vot',
}


def main(argv: Sequence[str] | None = None) -> int:
  """Runs a command and returns its exit code.

  Args:
    argv: Name of the command, followed by its arguments (default:
      `sys.argv[1:]`).
  """
  if argv is None:
    command.use_utf8()
  name, *rest = (sys.argv[1:] if argv is None else argv) or ['--help']
  if name in ('--help', '-h', '-help', 'help'):
    print(_overview())
    return command.DONE
  if name == '--version':
    print(f'acm-jax {acm_jax.__version__}')
    return command.DONE
  found = names.find(name, _COMMANDS)
  if found is None:
    known = ', '.join(_COMMANDS)
    print(
      f'error: unknown command {name!r}; choose one of {known}', file=sys.stderr
    )
    return command.REFUSED
  chosen = importlib.import_module(_file_of(_COMMANDS[found])[0])
  argv = [f'acm-jax {found}', *rest]
  return command.run(chosen.define, chosen.main, chosen.__doc__, argv)


def _file_of(module: str) -> tuple[str, Path]:
  """Returns the name and the file of the module that runs a command.

  Args:
    module: Module or package of the command. A package is run by its module
      `__main__`.
  """
  spec = importlib.util.find_spec(module)
  if spec.submodule_search_locations:
    return _file_of(f'{module}.__main__')
  return module, Path(spec.origin)


def _overview() -> str:
  """Returns the help text, with the name and summary of each command.

  The summaries are read from the source files, without importing the modules.
  """
  lines = [
    __doc__,
    '',
    'Commands (COMMAND --help shows the flags, --version the version):',
  ]
  for name, module in _COMMANDS.items():
    docstring = ast.get_docstring(ast.parse(_file_of(module)[1].read_bytes()))
    first = ' '.join(docstring.partition('\n\n')[0].split())
    lines.append(f'  acm-jax {name:<11} {first}')
  return '\n'.join(lines)


if __name__ == '__main__':
  sys.exit(main())
