"""Runs a tracker over a benchmark and scores it.

Writes result files in the benchmark's layout under OUT/NAME/<tracker>/, and
beside them in OUT/NAME scores.json, the curves and tracked.png, a sheet.

Example:
  python -m acm_jax.evaluate --checkpoint runs/siamban_acm \\
    --benchmark otb100 --data_dir OTB100 --out results --baseline first_box
"""

import sys
from pathlib import Path

import jax
from absl import flags

from acm_jax import command
from acm_jax.evaluation import benchmarks, report, run
from acm_jax.training import trained


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  text = {'flag_values': values, 'required': True}
  flags.DEFINE_string(
    'checkpoint', None, 'Train workdir or converted model; DIR@STEP.', **text
  )
  known = [n for n, b in benchmarks.BENCHMARKS.items() if b.layout]
  flags.DEFINE_string('benchmark', None, f'One of {", ".join(known)}.', **text)
  flags.DEFINE_string('data_dir', None, "The benchmark's root.", **text)
  flags.DEFINE_string('out', None, 'Folder for what is written.', **text)
  optional = {'flag_values': values}
  flags.DEFINE_string('hparams', None, 'Changes, as k=v,k=v.', **optional)
  flags.DEFINE_list('sequences', None, 'These alone, as A,B.', **optional)
  flags.DEFINE_multi_string(
    'baseline', [], 'Also run first_box or mil; repeatable.', **optional
  )


def main(values: flags.FlagValues) -> None:
  """Evaluates what the flags name."""
  benchmark = benchmarks.get(values.benchmark)
  root, out = Path(values.data_dir), Path(values.out)
  methods = {name: run.baseline(name) for name in values.baseline}
  found = run.sequences(benchmark, root, values.sequences or None)
  model = trained.load(values.checkpoint, values.hparams)
  ours = run.method(model.tracker, model.variables, model.hparams)
  if model.name in methods:
    raise ValueError(
      f'--checkpoint {values.checkpoint}: named like the baseline '
      f'{model.name}; rename the folder'
    )
  methods = {model.name: ours} | methods
  with jax.default_matmul_precision(model.precision):
    folders = [
      run.run(name, track, found, benchmark, out)
      for name, track in methods.items()
    ]
  names = [sequence.name for sequence in found]
  report.score(benchmark.name, root, folders, out / benchmark.name, only=names)
  sheet = out / benchmark.name / 'tracked.png'
  run.picture(folders[0], found, benchmark, sheet)


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
