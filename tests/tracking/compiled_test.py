"""Compiled programs outlive the process."""

import os
import subprocess
import sys

CODE = """
import jax, jax.numpy as jnp
from acm_jax.tracking import compiled
compiled.keep()
jax.jit(lambda x: x * 3 + 1)(jnp.ones(7)).block_until_ready()
print(jax.config.jax_compilation_cache_dir)
"""


def run(tmp_path, **variables):
  environ = {k: v for k, v in os.environ.items() if not k.startswith('JAX_')}
  environ |= {'XDG_CACHE_HOME': str(tmp_path), **variables}
  done = subprocess.run(
    [sys.executable, '-c', CODE],
    env=environ,
    capture_output=True,
    text=True,
    check=True,
  )
  assert not done.stderr
  return done.stdout.strip()


def programs(folder):
  return sorted(path.name for path in folder.rglob('*-cache'))


def test_a_second_process_compiles_nothing(tmp_path):
  folder = run(tmp_path)
  assert folder.startswith(str(tmp_path / 'acm-jax' / 'compiled-'))
  first = programs(tmp_path)
  assert first
  assert run(tmp_path) == folder
  assert programs(tmp_path) == first


def test_the_settings_of_the_user_are_kept(tmp_path):
  own = tmp_path / 'own'
  assert run(tmp_path, JAX_COMPILATION_CACHE_DIR=str(own)) == str(own)
  assert run(tmp_path, JAX_ENABLE_COMPILATION_CACHE='false') == 'None'
  assert not (tmp_path / 'acm-jax').exists()


def test_a_folder_that_cannot_be_made_does_no_harm(tmp_path):
  (tmp_path / 'acm-jax').write_text('a file in the way')
  assert run(tmp_path) == 'None'
