"""Runs a tracker over a benchmark and scores it.

Writes result files in the benchmark's layout under OUT/NAME/<tracker>/, then
scores.json and curves to OUT, as acm_jax.score does. OUT/NAME keeps these when
OUT gets the next benchmark's, and has tracked.png, a sheet of frames. Sequences
that are done already are left out. VOT's benchmarks are run under the reset
protocol. Of GOT-10k's and TrackingNet's test sets it
writes the archive for their server instead of scores.

Example:
  python -m acm_jax.evaluate --checkpoint runs/siamban_acm \\
    --benchmark otb100 --data_dir OTB100 --out results --baseline first_box
"""

import sys
from pathlib import Path

from absl import flags

from acm_jax import command, model_flags
from acm_jax.evaluation import benchmarks, methods, run


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  known = benchmarks.BENCHMARKS
  model_flags.define(values)
  required = {
    'benchmark': f'One of {", ".join(known)}.',
    'data_dir': "The benchmark's root.",
    'out': 'Folder for what is written.',
  }
  for name, text in required.items():
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)
  optional = {'flag_values': values}
  flags.DEFINE_list('sequences', None, 'These alone, as A,B.', **optional)
  flags.DEFINE_integer('lanes', 1, 'Sequences at once.', **optional)
  flags.DEFINE_multi_string(
    'baseline', [], 'Also run first_box or mil', **optional
  )


def main(values: flags.FlagValues) -> None:
  """Evaluates what the flags name."""
  benchmark, root = benchmarks.get(values.benchmark), Path(values.data_dir)
  baselines = {name: methods.baseline(name) for name in values.baseline}
  found = run.sequences(benchmark, root, values.sequences or None)
  model = model_flags.load(values)
  ours = methods.trained(
    model.tracker,
    model.variables,
    model.hparams,
    model.precision,
    values.lanes,
  )
  if model.name in baselines:
    raise ValueError(
      f'{model.name}: a baseline is named so; rename the checkpoint'
    )
  chosen = {model.name: ours} | baselines
  run.evaluate(chosen, benchmark, root, found, Path(values.out))


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
