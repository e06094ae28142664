"""Runs a tracker on a benchmark and scores its results.

Writes result files in the benchmark's layout to OUT/BENCHMARK/TRACKER, then
scores.json, tables and plots to OUT, as `acm-jax score` does. OUT/BENCHMARK
gets a copy of the scores, tables and plots, because a later evaluation on
another benchmark replaces those in OUT. OUT/BENCHMARK also gets tracked.png, a
sheet of frames. Sequences that already have results are not tracked again.

The tracker is run as each benchmark prescribes. In vot2016 to vot2019, it is
restarted after failures. In vot2022_stb, it is started at several frames of a
sequence, called anchors. In all other benchmarks, it is run once over each
sequence. In vot_lt, its confidences are also stored. For the test sets of
GOT-10k and TrackingNet, the command writes no scores, but an archive to submit
to the benchmark's server.

With --search, the command tries values of penalty_k, window_influence and
size_lr: the checkpoint's values and random values. It ranks these candidates by
the success score (AUC) and writes the results of each candidate, a table and a
plot to OUT/BENCHMARK/TRACKER.search. Candidates that already have results are
not tracked again.

With --calibrate, the command also finds the `lost_score` with the best presence
F1 (`acm_jax.evaluation.presence`) on the sequences, some of which must have
frames in which the target is absent. Calibrate on training videos.

Examples:
  acm-jax evaluate --checkpoint runs/siamban_acm --benchmark otb100 \\
    --data_dir OTB100 --out results --baseline first_box
  acm-jax evaluate --checkpoint runs/siamban_acm --benchmark got10k_val \\
    --data_dir GOT-10k --out results --search --budget 128
"""

import sys
from pathlib import Path

from absl import flags

from acm_jax import model_flags, sequence_flags
from acm_jax.evaluation import benchmarks, presence
from acm_jax.host import command, names
from acm_jax.running import evaluate, search
from acm_jax.running.baselines import BASELINES, BaselineFollower
from acm_jax.running.evaluate import Task
from acm_jax.tracking.engine import Engine
from acm_jax.tracking.inputs import warn_if_small
from acm_jax.tracking.model import Model


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
  sequence_flags.define(values)
  flags.DEFINE_multi_string(
    'baseline',
    [],
    'Baseline to run as well: first_box (repeats the first box), mil '
    "(OpenCV's MIL tracker), or csrt or kcf (of opencv-contrib).",
    **optional,
  )
  names.allow_spellings(values, 'baseline', BASELINES)
  flags.DEFINE_bool(
    'search', False, 'Search for better hyper-parameters.', **optional
  )
  flags.DEFINE_bool(
    'calibrate',
    False,
    'Find the score below which to report the target as lost.',
    **optional,
  )
  for name, default, text in (
    (
      'lanes',
      None,
      'Number of sequences tracked at once (default: 1). With --search: number '
      'of candidates tracked at once (default: 16).',
    ),
    ('budget', 64, 'Number of candidates that --search tries.'),
    ('seed', 0, 'Random seed for sampling candidates.'),
  ):
    flags.DEFINE_integer(name, default, text, **optional)


def main(values: flags.FlagValues) -> None:
  """Evaluates the tracker and baselines, or searches for hyper-parameters."""
  benchmark, root = benchmarks.get(values.benchmark), Path(values.data_dir)
  baselines = {name: BaselineFollower(name) for name in values.baseline}
  for flag in ('budget', 'seed'):
    if values[flag].present and not values.search:
      raise ValueError(
        f'`{flag}`: only used with `search`; add `search` or leave `{flag}` out'
      )
  if values.search and baselines:
    raise ValueError(
      '`baseline`: baselines have no hyper-parameters to search; leave '
      '`baseline` or `search` out'
    )
  count = values.lanes
  found = sequence_flags.find(values, benchmark, root)
  model = model_flags.load(values)
  if model.name.casefold() in baselines:
    raise ValueError(
      f'`checkpoint`={values.checkpoint}: the folder has the name of the '
      f'baseline {model.name.casefold()}; rename the folder'
    )
  task, out = Task(benchmark, root, found), Path(values.out)
  if values.calibrate:
    _check_calibration(values, task, model)
  for sequence in found:
    for first_box in sequence.box_xywh[:1]:
      warn_if_small(first_box, model.tracker.smallest_side, sequence.name)
  if values.search:
    lanes = 16 if count is None else count
    budget = search.Budget(values.budget, values.seed, lanes)
    search.search(model, task, out, budget)
  else:
    ours = Engine(model, 1 if count is None else count)
    evaluate.evaluate({model.name: ours} | baselines, task, out)
    if values.calibrate:
      found = evaluate.calibrate(model.name, task, out)
      print(
        f'presence F1 {found.presence_f1:.4f} over {found.sequences} sequences '
        f'with hidden frames: --hparams=lost_score={found.lost_score:g},'
        f'found_score={found.lost_score:g}'
      )


def _check_calibration(values, task: Task, model: Model) -> None:
  benchmark = task.benchmark
  if values.search:
    raise ValueError(
      '`calibrate`: cannot be combined with `search`; leave one of them out'
    )
  if benchmark.hidden or not task.experiment.searchable:
    raise ValueError(
      f'{benchmark.name}: `calibrate` needs one-pass evaluation and public '
      'annotations; choose another `benchmark`, such as folder'
    )
  if model.tracker.wide_search is not None:
    raise ValueError(
      '`calibrate`: with a wide search, boxes depend on `lost_score`; set '
      '`wide_search` to never'
    )
  presence.with_hidden({s.name: task.truths[s.name] for s in task.sequences})


if __name__ == '__main__':
  sys.exit(command.run(define, main, __doc__))
