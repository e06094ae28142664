"""XLA flags that shorten compiling.

Most programs of the tests run only once, so that optimising them costs more
time than it saves.
"""

FAST_COMPILE = ' '.join(
  [
    '--xla_backend_optimization_level=0',
    # Emit fusions with LLVM instead of MLIR, and each program as one module.
    '--xla_cpu_use_fusion_emitters=false',
    '--xla_cpu_parallel_codegen_split_count=1',
  ]
)
