"""Flags that select sequences of a benchmark, shared by several commands."""

from pathlib import Path

from absl import flags

from acm_jax.datasets.sequences import Sequence
from acm_jax.evaluation import benchmarks
from acm_jax.evaluation.benchmarks import Benchmark


def define(values: flags.FlagValues) -> None:
  """Defines the flags on `values`."""
  for name, text in (
    ('sequences', 'Sequences to use (default: all)'),
    ('exclude', 'Sequences to leave out'),
  ):
    text += (
      ': comma-separated names, or paths of text files with one name per line.'
    )
    flags.DEFINE_list(name, None, text, flag_values=values)


def find(
  values: flags.FlagValues, benchmark: Benchmark, root: Path
) -> list[Sequence]:
  """Reads the selected sequences of a benchmark from its root folder.

  Raises:
    OSError: The folder is missing.
    ValueError: The folder has no sequence of the benchmark, a name is unknown,
      or no sequence is left.
  """
  return benchmarks.sequences(
    benchmark, root, values.sequences, values.exclude or ()
  )
