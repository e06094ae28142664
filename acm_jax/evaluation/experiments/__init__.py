"""The experiments, by the names that benchmarks call them.

Each is one file: how trackers are run, what their result files look like, how
these are scored and what is drawn of the scores.
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
  """The experiment that a benchmark asks for."""
  return EXPERIMENTS[benchmark.experiment]


def of_results(folder: Path, benchmark: Benchmark) -> Experiment:
  """The experiment that a tracker's results are of.

  Where there are results of several, or of none that is recognised, that of the
  benchmark; of several others the first in `EXPERIMENTS`.
  """
  own = of_benchmark(benchmark)
  others = [each for each in EXPERIMENTS.values() if each is not own]
  known = [each for each in (own, *others) if each.recognises(folder)]
  return known[0] if known else own


def analysis(
  experiment: Experiment, benchmark: Benchmark, name: str
) -> Analysis:
  """How results of an experiment are scored on a benchmark.

  Args:
    experiment: What they are results of.
    benchmark: What the sequences are of.
    name: Whose definitions are meant.

  Raises:
    ValueError: The benchmark has no such experiment, or that no such analysis.
  """
  own = of_benchmark(benchmark)
  if experiment is not own and name not in experiment.for_all:
    raise ValueError(
      f'--results: these are of {experiment.title}; of {benchmark.name} '
      f'--protocol {name} scores {own.title}'
    )
  return experiment.analysis(benchmark, name)


def plot_names() -> list[str]:
  """Names of all files that the experiments' plots may have."""
  return [plot.name for each in EXPERIMENTS.values() for plot in each.plots]
