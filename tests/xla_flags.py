"""XLA flags that shorten compiling.

Most programs of the tests run only once, so that optimising them costs more
time than it saves.
"""

from importlib import metadata

_VERSION = tuple(map(int, metadata.version('jaxlib').split('.')[:3]))

FAST_COMPILE = ' '.join(
  [
    '--xla_backend_optimization_level=0',
    # Emit each program as one module.
    '--xla_cpu_parallel_codegen_split_count=1',
    # Emit fusions with LLVM instead of MLIR. XLA no longer knows the flag since
    # JAX 0.11.1, and ends a program that sets an unknown one.
    *(['--xla_cpu_use_fusion_emitters=false'] if _VERSION < (0, 11, 1) else []),
  ]
)
