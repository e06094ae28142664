"""Compiled programs: their options, and their cache on disk."""

import os
import subprocess
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from acm_jax.tracking import programs

CODE = """
import jax, jax.numpy as jnp
from acm_jax.tracking import programs
programs.keep_programs()
jax.jit(lambda x: x * 3 + 1)(jnp.ones(7)).block_until_ready()
print(jax.config.jax_compilation_cache_dir)
print(jax.config.jax_compilation_cache_max_size)
print(jax.config.jax_persistent_cache_min_compile_time_secs)
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
  folder, *limits = done.stdout.split()
  return folder, [float(limit) for limit in limits]


def files(folder):
  return sorted(path.name for path in folder.rglob('*-cache'))


def test_a_second_process_compiles_nothing(tmp_path):
  folder, limits = run(tmp_path)
  assert folder.startswith(str(tmp_path / 'acm-jax' / 'compiled-'))
  assert limits == [2**30, 0]
  assert Path(folder).stat().st_mode & 0o777 == 0o700
  first = files(tmp_path)
  assert first
  assert run(tmp_path) == (folder, limits)
  assert files(tmp_path) == first


def test_the_settings_of_the_user_are_kept(tmp_path):
  own = tmp_path / 'own'
  folder, _ = run(tmp_path, JAX_COMPILATION_CACHE_DIR=str(own))
  assert folder == str(own)
  folder, _ = run(tmp_path, JAX_ENABLE_COMPILATION_CACHE='false')
  assert folder == 'None'
  assert not (tmp_path / 'acm-jax').exists()
  _, limits = run(
    tmp_path,
    JAX_COMPILATION_CACHE_MAX_SIZE='1000000',
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS='3.5',
  )
  assert limits == [1e6, 3.5]


def test_a_folder_that_cannot_be_made_does_no_harm(tmp_path):
  (tmp_path / 'acm-jax').write_text('a file in the way')
  assert run(tmp_path)[0] == 'None'


def test_a_user_without_a_home_folder_keeps_no_programs(monkeypatch):
  def no_home():
    raise RuntimeError('Could not determine home directory.')

  monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
  monkeypatch.setattr(Path, 'home', no_home)
  monkeypatch.setattr(
    programs.jax,
    'config',
    types.SimpleNamespace(
      jax_compilation_cache_dir=None, jax_enable_compilation_cache=True
    ),
  )
  programs.keep_programs()


def test_products_do_not_use_ynnpack_on_a_cpu():
  def product(x):
    return x @ x

  x = jnp.ones((256, 256))
  compiled = programs.Programs().get(jax.jit(product), (), 'highest', (), x)
  assert 'ynn_fusion' in jax.jit(product).lower(x).compile().as_text()
  assert 'ynn_fusion' not in compiled.as_text()
  np.testing.assert_allclose(compiled(x), np.full((256, 256), 256))


def test_options_that_xla_does_not_know_are_left_out(monkeypatch):
  monkeypatch.setattr(programs, '_ON_CPU', {'xla_cpu_no_such_option': ''})
  assert programs.options.__wrapped__() is None
