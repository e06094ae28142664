"""Compiled programs: their options, their caches and their memory."""

import ctypes
import functools
import hashlib
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import jax

# Size that the folder may have; the least recently used programs are deleted.
_MOST_BYTES = 2**30
# JAX's defaults: no limit, and only programs that take a second to compile.
_UNLIMITED, _DEFAULT_SECONDS = -1, 1.0
# Parameters of mallopt, from malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
# Largest block that the C library of a 64-bit system keeps for other threads
# than the main one.
_HEAP_BYTES = 2**26

# On a CPU, XLA uses YNNPACK for convolutions, products and reductions. Whole
# tracking and training steps are fastest if only reductions use it.
_ON_CPU = {'xla_cpu_experimental_ynn_fusion_type': 'LIBRARY_FUSION_TYPE_REDUCE'}
# A program that draws random weights compiles in a third of the time.
_ONCE_ON_CPU = {'xla_backend_optimization_level': '0'}


@functools.cache
def options() -> dict[str, str] | None:
  """Returns XLA's options for the programs of trackers on the default device.

  Returns:
    The options; None if the device is not a CPU, or if this version of XLA does
    not have them.
  """
  return _supported(_ON_CPU)


@functools.cache
def options_to_run_once() -> dict[str, str] | None:
  """Returns XLA's options for a program that runs only once; see `options`."""
  return _supported(_ONCE_ON_CPU)


def _supported(on_cpu: dict[str, str]) -> dict[str, str] | None:
  """Returns options for CPUs, or None if they do not apply; see `options`."""
  if jax.default_backend() != 'cpu':
    return None
  try:
    jax.jit(lambda: 0).lower().compile(on_cpu)
  except jax.errors.JaxRuntimeError:
    return None
  return on_cpu


class Programs:
  """Cache of compiled programs, which engines of the same model can share.

  The engines may be in different threads.

  Attributes:
    seconds: Total time spent on compiling, and on preparing weights.
  """

  def __init__(self):
    self._compiled: dict[Hashable, Callable] = {}
    self._lock = threading.Lock()
    self.seconds = 0.0

  def __len__(self) -> int:
    return len(self._compiled)

  def clock(self) -> float:
    """Returns a time in seconds, which stands still during compilation."""
    return time.monotonic() - self.seconds

  def get(
    self,
    function: Callable,
    fixed: tuple[Hashable, ...],
    precision: str,
    shapes: Hashable,
    *args: Any,
    **static: Any,
  ) -> Callable:
    """Returns a compiled function; compiles it if it is not in the cache.

    Args:
      function: Function to compile, wrapped by `jax.jit`.
      fixed: Static arguments that precede `args`: (tracker,) or ().
      precision: Precision of matrix products in the compiled function.
      shapes: Key that represents the shapes of `args`. Calls with the same key,
        function and static arguments must have `args` of the same shapes.
      *args: Other positional arguments; only their shapes matter.
      **static: Static keyword arguments.

    Returns:
      The compiled function, which takes only `args`.
    """
    key = (function, fixed, precision, shapes, *static.items())
    with self._lock:
      if key not in self._compiled:
        begun = time.monotonic()
        with jax.default_matmul_precision(precision):
          lowered = function.lower(*fixed, *args, **static)
        self._compiled[key] = lowered.compile(options())
        self.seconds += time.monotonic() - begun
      return self._compiled[key]


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


def reuse_memory(*, large: bool = False) -> None:
  """Keeps freed memory for the next call of a program, on a CPU under Linux.

  In every call, a program allocates its temporary arrays. By default, the C
  library returns large blocks to the system when they are freed, and the system
  then clears every page that is allocated again. After a call of this function,
  the process keeps what it has freed, so that its memory never shrinks.

  Call this function before JAX is used in any other way. It affects the whole
  process, so `acm_jax.load` does not call it.

  Args:
    large: Whether to keep blocks of more than 64 MB, too; training steps
      allocate such blocks. The C library can keep them only for the main
      thread. Programs then run in the thread that calls them, so that this
      thread cannot prepare the next call in the meantime.
  """
  if sys.platform != 'linux':
    return
  if large:
    # JAX reads this option only once, when it starts; see the next line.
    jax.config.update('jax_cpu_enable_async_dispatch', False)
  if jax.default_backend() != 'cpu':
    return
  mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
  # Some C libraries, such as musl, do not have this function.
  if mallopt is not None:
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, -1)
    # Otherwise, an empty heap of a thread would be returned nevertheless.
    mallopt(_TOP_PAD, _HEAP_BYTES)
