"""Compiled programs on disk, so that only the first start compiles them."""

import hashlib
import os
import platform
from pathlib import Path

import jax

# Size that the folder may have; the least recently used programs are deleted.
_MOST_BYTES = 2**30
# JAX's defaults: no limit, and only programs that take a second to compile.
_UNLIMITED, _DEFAULT_SECONDS = -1, 1.0


def keep_programs() -> None:
  """Keeps compiled programs on disk, and uses those of earlier processes.

  The programs of the whole process are kept. Does nothing if JAX's compilation
  cache has a folder already or is disabled, for example by the environment
  variables JAX_COMPILATION_CACHE_DIR and JAX_ENABLE_COMPILATION_CACHE, or if
  the folder cannot be written or belongs to somebody else.
  """
  config = jax.config
  if (
    config.jax_compilation_cache_dir is not None
    or not config.jax_enable_compilation_cache
  ):
    return
  try:
    folder = _folder()
    # Whoever can write the folder decides what the processor executes.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = folder.stat().st_uid
  except (OSError, RuntimeError):
    # There is no home folder, or it cannot be written.
    return
  if not os.access(folder, os.W_OK) or owner != _user():
    return
  config.update('jax_compilation_cache_dir', str(folder))
  if config.jax_compilation_cache_max_size == _UNLIMITED:
    config.update('jax_compilation_cache_max_size', _MOST_BYTES)
  if config.jax_persistent_cache_min_compile_time_secs == _DEFAULT_SECONDS:
    # Hundreds of programs that compile in milliseconds take seconds together.
    config.update('jax_persistent_cache_min_compile_time_secs', 0)


def _user() -> int:
  """Returns the number of the user; 0, as for files, where there are none."""
  return os.getuid() if hasattr(os, 'getuid') else 0


def _folder() -> Path:
  """Returns the folder for programs of this processor.

  A program may use every instruction of the processor that it was compiled on,
  and home folders may be shared by different machines.
  """
  caches = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
  about = '\n'.join([platform.machine(), platform.processor(), *_features()])
  key = hashlib.sha256(about.encode()).hexdigest()[:12]
  return Path(caches) / 'acm-jax' / f'compiled-{key}'


def _features() -> list[str]:
  """Returns Linux's list of the processor's features, if there is one."""
  try:
    lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
  except OSError:
    return []
  return [x for x in lines if x.startswith(('flags', 'Features'))][:1]
