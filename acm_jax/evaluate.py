"""Runs a tracker over a benchmark and scores it.

Writes result files in the benchmark's layout under OUT/NAME/<tracker>/, then
scores.json and curves to OUT, as acm_jax.score does. OUT/NAME keeps these when
OUT gets the next benchmark's, and has tracked.png, a sheet of frames. Sequences
that are done already are left out. A benchmark is run as its toolkit would: in
one pass, or by VOT's protocols of resets, of anchors (vot2022_stb) or for long
sequences (vot_lt). Of GOT-10k's and TrackingNet's test sets it writes the
archive for their server instead of scores.

With --search it tries values of penalty_k, window_influence and size_lr, the
checkpoint's own and random ones, ranks them by success, and writes their
results, a table and a plot to OUT/NAME/<tracker>.search/. What is there already
is not done again.

Examples:
  python -m acm_jax.evaluate --checkpoint runs/siamban_acm \\
    --benchmark otb100 --data_dir OTB100 --out results --baseline first_box
  python -m acm_jax.evaluate --checkpoint runs/siamban_acm --search \\
    --benchmark got10k_val --data_dir GOT-10k --out results --budget 128
"""

import sys
from pathlib import Path

from absl import flags

from acm_jax import model_flags
from acm_jax.evaluation import benchmarks
from acm_jax.host import command
from acm_jax.running import evaluate, search
from acm_jax.running.baselines import BaselineFollower
from acm_jax.running.evaluate import Task
from acm_jax.tracking.engine import Engine


def define(values: flags.FlagValues) -> None:
  """Defines the command's flags on `values`."""
  known = benchmarks.BENCHMARKS
  model_flags.define(values)
  required = {
    'benchmark': f'Benchmark: {", ".join(known)}.',
    'data_dir': 'Root folder of the benchmark.',
    'out': 'Output folder.',
  }
  for name, text in required.items():
    flags.DEFINE_string(name, None, text, required=True, flag_values=values)
  optional = {'flag_values': values}
  flags.DEFINE_list(
    'sequences',
    None,
    'Comma-separated subset of the sequences (default: all).',
    **optional,
  )
  flags.DEFINE_multi_string(
    'baseline', [], 'Baseline to run as well: first_box or mil', **optional
  )
  flags.DEFINE_bool(
    'search', False, 'Search for better hyper-parameters.', **optional
  )
  for name, default, text in (
    (
      'lanes',
      None,
      'Sequences that are tracked at once (default: 1), or candidates of '
      '--search (default: 16).',
    ),
    ('budget', 64, 'Number of candidates that --search tries.'),
    ('seed', 0, 'Random seed for sampling candidates.'),
  ):
    flags.DEFINE_integer(name, default, text, **optional)


def main(values: flags.FlagValues) -> None:
  """Evaluates what the flags name."""
  benchmark, root = benchmarks.get(values.benchmark), Path(values.data_dir)
  baselines = {name: BaselineFollower(name) for name in values.baseline}
  for flag in ('budget', 'seed'):
    if values[flag].present and not values.search:
      raise ValueError(f'--{flag}: only with --search')
  if values.search and baselines:
    raise ValueError('--baseline: has no hyper-parameters to --search')
  count = values.lanes
  found = benchmarks.sequences(benchmark, root, values.sequences or None)
  model = model_flags.load(values)
  if model.name in baselines:
    raise ValueError(
      f'{model.name}: a baseline is named so; rename the checkpoint'
    )
  task, out = Task(benchmark, root, found), Path(values.out)
  if values.search:
    at_once = 16 if count is None else count
    budget = search.Budget(values.budget, values.seed, at_once)
    search.search(model, task, out, budget)
  else:
    ours = Engine(model, 1 if count is None else count)
    evaluate.evaluate({model.name: ours} | baselines, task, out)


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
