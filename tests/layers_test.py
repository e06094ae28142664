"""Rules on imports between the layers, checked in the source."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {
  'acm_jax.geometry': 0,
  'acm_jax.host': 0,
  'acm_jax.datasets': 1,
  'data_pipelines': 2,
  'acm_jax.evaluation': 2,
  'acm_jax.modules': 2,
  'acm_jax.losses': 2,
  'acm_jax.tracking': 3,
  'acm_jax.trackers': 4,
  'acm_jax.models': 4,
  'acm_jax.exported': 4,
  'acm_jax.exporting': 5,
  'acm_jax.running': 5,
  'acm_jax.pysot_configs': 6,
  'acm_jax.training': 6,
  'acm_jax.web': 6,
  'acm_jax.weights': 6,
  'acm_jax.analysis': 7,
  'acm_jax.timing': 7,
  'acm_jax': 8,
  'configs': 8,
}
TENSORFLOW_HOMES = (
  'data_pipelines.host_tensorflow',
  'data_pipelines.builders',
  'acm_jax.exporting.converters',
)
WITHOUT_JAX = (
  'acm_jax.host',
  'acm_jax.geometry',
  'acm_jax.datasets',
  'acm_jax.evaluation',
  'acm_jax.exported',
  'acm_jax.score',
  'acm_jax.tracking.inputs',
  'acm_jax.tracking.result',
)
MODULES = {
  '.'.join(path.relative_to(ROOT).with_suffix('').parts): path
  for folder in ('acm_jax', 'data_pipelines', 'configs')
  for path in sorted((ROOT / folder).rglob('*.py'))
}


def within(module: str, *packages: str) -> bool:
  """Returns whether a module is in one of the packages, or is one."""
  return any(f'{module}.'.startswith(f'{package}.') for package in packages)


def package_of(module: str) -> str:
  """Returns the innermost package of `LAYERS` that contains a module."""
  return max((p for p in LAYERS if within(module, p)), key=len)


@functools.cache
def imports(module: str) -> set[str]:
  """Returns the full names of all imports of a file, also in functions."""
  names = set()
  for node in ast.walk(ast.parse(MODULES[module].read_text())):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{module}: relative import'
      names |= {f'{node.module}.{alias.name}' for alias in node.names}
  return names


@pytest.mark.parametrize('module', MODULES)
def test_a_file_imports_only_lower_layers_or_its_own_package(module):
  own = package_of(module)
  for name in imports(module):
    if within(name, 'acm_jax', 'data_pipelines'):
      other = package_of(name)
      assert other == own or LAYERS[other] < LAYERS[own], f'imports {name}'


@pytest.mark.parametrize('module', MODULES)
def test_configs_are_plain_data_and_nothing_imports_them(module):
  if within(module, 'configs'):
    allowed = ('configs', 'ml_collections')
    assert all(within(n, *allowed) for n in imports(module))
  else:
    assert not any(within(n, 'configs') for n in imports(module))


@pytest.mark.parametrize('module', MODULES)
def test_only_the_input_pipeline_and_a_converter_import_tensorflow(module):
  if not within(module, *TENSORFLOW_HOMES):
    tf = ('tensorflow', 'tensorflow_datasets')
    assert not any(within(n, *tf) for n in imports(module))


@pytest.mark.parametrize('module', MODULES)
def test_files_below_the_networks_do_not_import_jax(module):
  if within(module, *WITHOUT_JAX):
    assert not any(within(n, 'jax', 'flax', 'optax') for n in imports(module))
