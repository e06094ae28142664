"""Scores trackers' result files on a benchmark.

Writes scores.json, the curves as PNG and CSV files, and tables for Markdown,
LaTeX and spreadsheets. Prints the table, and 95% confidence intervals from
resampling the sequences.

With --check, only checks that an archive of results has the form that the
server of GOT-10k or TrackingNet expects. If --annotations is given as well,
also checks that each result has one row per frame of the sequence.

Example:
  acm-jax score --benchmark otb100 --annotations OTB100.json \\
    --results results/SiamRPN --results results/SiamBAN --out scores
"""

import sys
from pathlib import Path

from absl import flags

from acm_jax.evaluation import archives, benchmarks, report, scoring, toolkits
from acm_jax.evaluation.experiments.one_pass import PRESENCE, OnePass
from acm_jax.host import command, names


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  known = benchmarks.BENCHMARKS
  flags.DEFINE_string(
    'benchmark',
    None,
    f'Benchmark: {", ".join(known)}.',
    required=True,
    flag_values=values,
  )
  flags.DEFINE_string(
    'check',
    None,
    "Archive of results for the benchmark's server. If given, the archive is "
    'checked and nothing is scored.',
    flag_values=values,
  )
  flags.DEFINE_string(
    'annotations',
    None,
    'Annotations: the root folder of the official benchmark, a folder with '
    'files annotations/<sequence>.txt, or a JSON file of pysot or DaSiamRPN. '
    'With --check, only the root folder is accepted.',
    flag_values=values,
  )
  flags.DEFINE_multi_string(
    'results',
    None,
    # absl appends a remark that the flag may be repeated.
    "Folder with one tracker's result files; the folder's name is the "
    "tracker's name",
    flag_values=values,
  )
  flags.DEFINE_string('out', None, 'Output folder.', flag_values=values)
  text = 'Replace the scores of an earlier run.'
  flags.DEFINE_bool('overwrite', False, text, flag_values=values)
  flags.DEFINE_string(
    'protocol',
    None,
    'Scoring protocol, which has the name of the toolkit whose rules it '
    f'follows: {", ".join(toolkits.TOOLKITS)}; {PRESENCE}, which ranks by '
    "presence F1; or, for VOT's own experiments, vot_toolkit (default: the "
    "benchmark's own toolkit).",
    flag_values=values,
  )
  of_benchmarks = (benchmark.protocol for benchmark in known.values())
  protocols = {*OnePass.for_all, *of_benchmarks}
  names.allow_spellings(values, 'protocol', protocols)


def main(values: flags.FlagValues) -> None:
  """Scores results; with `--check`, checks an archive instead."""
  if values.check:
    for name in ('results', 'out', 'protocol'):
      if values[name].value:
        raise ValueError(
          f'`{name}`: not used by `check`, which only reads an archive; leave '
          f'out `{name}`'
        )
    benchmark, frames = benchmarks.get(values.benchmark), {}
    if values.annotations:
      found = benchmarks.sequences(benchmark, Path(values.annotations))
      frames = {sequence.name: len(sequence) for sequence in found}
    print(archives.check(Path(values.check), benchmark, frames=frames))
    return
  for name in ('annotations', 'results', 'out'):
    if not values[name].value:
      raise ValueError(
        f'`{name}`: missing; scoring needs `annotations`, `results` and `out`'
      )
  if not values.overwrite:
    report.check_out(Path(values.out))
  scoring.score(
    values.benchmark,
    Path(values.annotations),
    [Path(folder) for folder in values.results],
    Path(values.out),
    values.protocol,
  )


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
