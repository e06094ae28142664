"""Registry of experiments. `Benchmark.experiment` is a key of `EXPERIMENTS`.

The file of an experiment defines how trackers are run, the form of result
files, how results are scored, and the plots of the scores.
"""

from pathlib import Path

from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import Analysis, Experiment
from acm_jax.evaluation.experiments.anchors import Anchors
from acm_jax.evaluation.experiments.long_term import LongTerm
from acm_jax.evaluation.experiments.one_pass import OnePass
from acm_jax.evaluation.experiments.reset import Reset

EXPERIMENTS: dict[str, Experiment] = {
  'one_pass': OnePass(),
  'reset': Reset(),
  'anchors': Anchors(),
  'long_term': LongTerm(),
}


def of_benchmark(benchmark: Benchmark) -> Experiment:
  """Returns the experiment in which trackers are run on a benchmark."""
  return EXPERIMENTS[benchmark.experiment]


def of_results(folder: Path, benchmark: Benchmark) -> Experiment:
  """Returns the experiment that a tracker's results are from.

  If several experiments recognise the results, the benchmark's own experiment
  is preferred, then the first in `EXPERIMENTS`. If none recognises the results,
  the benchmark's own experiment is returned.
  """
  own = of_benchmark(benchmark)
  others = [each for each in EXPERIMENTS.values() if each is not own]
  recognised = [each for each in (own, *others) if each.recognises(folder)]
  return next(iter(recognised), own)


def analysis(
  experiment: Experiment, benchmark: Benchmark, name: str
) -> Analysis:
  """Returns the scoring function and the figures for results on a benchmark.

  Args:
    experiment: Experiment that the results are from.
    benchmark: Benchmark of the sequences.
    name: Name of the scoring protocol.

  Raises:
    ValueError: The scoring protocol does not score results of this experiment
      on this benchmark.
  """
  own = of_benchmark(benchmark)
  if experiment is not own and name not in experiment.for_all:
    raise ValueError(
      f'`results`: the files are from the {experiment.title} experiment, but '
      f'on {benchmark.name}, `protocol`={name} scores the {own.title} '
      'experiment; choose the `benchmark` of the results, or another `protocol`'
    )
  return experiment.analysis(benchmark, name)


def plot_names() -> list[str]:
  """Returns the names of all experiments' plots; names have no file suffix."""
  return [plot.name for each in EXPERIMENTS.values() for plot in each.plots]
