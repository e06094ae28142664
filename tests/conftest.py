"""Strictness for every test: shapes checked, ranks explicit, eight devices."""

import os

# Before JAX starts: sharding tests need several devices.
os.environ['XLA_FLAGS'] = (
  os.environ.get('XLA_FLAGS', '') + ' --xla_force_host_platform_device_count=8'
)

from pathlib import Path

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_default_matmul_precision', 'highest')

# Checks every annotated shape in the packages; costs nothing outside tests.
install_import_hook(['acm_jax', 'data_pipelines'], 'beartype.beartype')


@pytest.fixture(scope='session')
def real_data() -> Path:
  """Folder of real sequences and annotations; skips where there is none."""
  default = Path(__file__).parents[2] / 'shared' / 'data'
  folder = Path(os.environ.get('ACM_TEST_DATA', default))
  if not folder.is_dir():
    pytest.skip(f'no test data at {folder} (set ACM_TEST_DATA)')
  return folder
