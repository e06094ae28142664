"""Scores trackers' result files on a benchmark.

Writes scores.json, the success and precision curves as PNG and CSV, and tables
for Markdown, LaTeX and spreadsheets, and prints the table, with 95% intervals
over the sequences. With --check it checks only that the server of GOT-10k or
TrackingNet can read an archive, and with --annotations, the official root, that
each sequence has as many rows as images.

Example:
  python -m acm_jax.score --benchmark otb100 --annotations OTB100.json \\
    --results results/SiamRPN --results results/SiamBAN --out scores
"""

import sys
from pathlib import Path

from absl import flags

from acm_jax.evaluation import archives, benchmarks, scoring, toolkits
from acm_jax.host import command


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  optional = {'flag_values': values}
  known = ', '.join(benchmarks.BENCHMARKS)
  flags.DEFINE_string(
    'benchmark', None, f'Benchmark: {known}.', required=True, **optional
  )
  flags.DEFINE_string(
    'check',
    None,
    "Archive of results to check for the benchmark's server.",
    **optional,
  )
  flags.DEFINE_string(
    'annotations',
    None,
    'Annotations: the official root, a folder with '
    'annotations/<sequence>.txt, or a JSON of pysot or DaSiamRPN.',
    **optional,
  )
  results = 'Folder of result files, named like the tracker'
  flags.DEFINE_multi_string('results', None, results, **optional)
  flags.DEFINE_string('out', None, 'Output folder.', **optional)
  flags.DEFINE_string(
    'protocol',
    None,
    f'Definitions of the scores: {", ".join(toolkits.TOOLKITS)}, or for '
    "VOT's own experiments vot_toolkit (default: the benchmark's own).",
    **optional,
  )


def main(values: flags.FlagValues) -> None:
  """Scores what the flags name."""
  if values.check:
    for name in ('results', 'out', 'protocol'):
      if values[name].value:
        raise ValueError(f'--{name}: --check looks at an archive alone')
    benchmark, frames = benchmarks.get(values.benchmark), {}
    if values.annotations:
      found = benchmarks.sequences(benchmark, Path(values.annotations))
      frames = {sequence.name: len(sequence) for sequence in found}
    print(archives.check(Path(values.check), benchmark, frames=frames))
    return
  for name in ('annotations', 'results', 'out'):
    if not values[name].value:
      raise ValueError(f'--{name} missing: see --help')
  scoring.score(
    values.benchmark,
    Path(values.annotations),
    [Path(folder) for folder in values.results],
    Path(values.out),
    values.protocol,
  )


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
