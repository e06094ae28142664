"""From result files to scores, for each kind of experiment."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from acm_jax.evaluation import (
  anchors,
  annotations,
  long_term,
  protocols,
  reset,
  results,
)
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.outcome import Outcome


class Rated(NamedTuple):
  """A tracker's scores, and what was found with its files.

  Attributes:
    outcome: The scores.
    short: By sequence, where results end before the annotation: their rows.
    long: By sequence, where they go on behind it and are cut: their rows.
  """

  outcome: Outcome
  short: Mapping[str, int] = MappingProxyType({})
  long: Mapping[str, int] = MappingProxyType({})


class Rating(NamedTuple):
  """How the results of an experiment are scored.

  Attributes:
    truth: Reads the annotations at a path, by sequence.
    rate: Scores the files of a tracker, by sequence, against their truths.
    headings: What figures are called in tables where not as usual.
    cuts: Whether regions are cut to the image.
  """

  truth: Callable[[Benchmark, Path], dict[str, Any]]
  rate: Callable[[Mapping[str, Sequence[Path]], Mapping[str, Any]], Rated]
  headings: Mapping[str, str] = MappingProxyType({})
  cuts: bool = True


def rating(experiment: str, benchmark: Benchmark, protocol: str) -> Rating:
  """How results of an experiment are scored.

  Args:
    experiment: As `results.experiment` gives it.
    benchmark: What they are results of.
    protocol: Whose definitions are meant.

  Raises:
    ValueError: The benchmark has no such experiment, or it no such protocol.
  """
  given, own = _EXPERIMENTS[experiment], _EXPERIMENTS[benchmark.experiment]
  # What was run in one pass can be scored so, of any benchmark.
  one_pass = experiment == 'one_pass' and (
    benchmark.experiment == 'one_pass' or protocol in protocols.PROTOCOLS
  )
  if experiment != benchmark.experiment and not one_pass:
    raise ValueError(
      f'--results: these are of {given.title}; of {benchmark.name} '
      f'--protocol {protocol} scores {own.title}'
    )
  if one_pass:
    return _one_pass(protocols.get(protocol, benchmark.name), benchmark)
  if protocol not in own.analyses:
    raise ValueError(
      f'--protocol {protocol}: of {own.title} there are '
      f'{" and ".join(own.analyses)}'
    )
  analyse = own.analyses[protocol]
  return Rating(annotations.read_regions, analyse(benchmark))


def _one_pass(definition: protocols.Protocol, benchmark: Benchmark) -> Rating:
  def rate(files, truth):
    sequences, short, long = {}, {}, {}
    for name, runs in files.items():
      frames = len(truth[name].box_xywh)
      scores = []
      for path in runs:
        boxes, rows = results.read_result(path, frames, name in benchmark.cut)
        scores.append(definition.rate(boxes, truth[name]))
        if rows != frames:
          (short if rows < frames else long)[name] = rows
      sequences[name] = protocols.mean(scores) if len(scores) > 1 else scores[0]
    rated = list(sequences.values())
    success = np.array([scores.success_auc for scores in rated])
    weights = np.array([definition.weight(scores) for scores in rated])
    # As in the total, sequences of which none is defined are left out.
    weights = np.where(np.isnan(success), 0.0, weights)
    sums = weights * np.nan_to_num(success)

    def redraw(drawn):
      counts = drawn @ weights
      return np.where(
        counts > 0, drawn @ sums / np.where(counts > 0, counts, 1), np.nan
      )

    total = definition.total(rated)
    return Rated(Outcome(total, sequences, redraw), short, long)

  def read(benchmark, path):
    truth = annotations.read(benchmark, path)
    known = [np.isfinite(t.box_xywh).all(axis=1).sum() for t in truth.values()]
    if benchmark.hidden and max(known) <= 1:
      # The first boxes are public.
      raise ValueError(
        f'{benchmark.name}: only its server has the annotations; --check '
        'ARCHIVE.zip makes sure that it can read results'
      )
    return truth

  return Rating(read, rate, definition.headings, definition.cuts)


def _reset(analyse):
  def rate_of(benchmark):
    def rate(files, truth):
      runs = {
        name: [
          results.read_run(path, len(truth[name].region)) for path in paths
        ]
        for name, paths in files.items()
      }
      return Rated(analyse(runs, truth, benchmark.lengths))

    return rate

  return rate_of


def _anchors(benchmark):
  def rate(files, truth):
    runs = {}
    for name, paths in files.items():
      known = truth[name].anchors
      if not known:
        raise ValueError(
          f'{name}: no anchor of it is known; --annotations must be the '
          'official root, with <sequence>/anchor.value'
        )
      own = [
        results.read_anchored(path, len(truth[name].region), known)
        for path in paths
      ]
      if lost := sorted(known.keys() - {run.anchor for run in own}):
        file = paths[0].with_name(f'{name}_{lost[0]:08d}.txt')
        raise FileNotFoundError(
          f'{file}: no such file; {len(own)} of the {len(known)} anchors of '
          f'{name} have results'
        )
      runs[name] = own
    return Rated(anchors.vot_toolkit(runs, truth, benchmark.lengths))

  return rate


def _long_term(analyse):
  def rate_of(benchmark):
    del benchmark

    def rate(files, truth):
      found = {}
      for name, paths in files.items():
        if len(paths) > 1:
          raise ValueError(f'{paths[1]}: a second run; one is scored')
        found[name] = results.read_confident(paths[0], len(truth[name].region))
      return Rated(analyse(found, truth))

    return rate

  return rate_of


class _Experiment(NamedTuple):
  """How trackers are run, in words, and the analyses of that by protocol."""

  title: str
  analyses: Mapping[str, Callable] = MappingProxyType({})


_EXPERIMENTS = {
  'one_pass': _Experiment('one pass'),
  'reset': _Experiment(
    'the reset protocol',
    {
      'pysot': _reset(reset.pysot),
      'vot_toolkit': _reset(reset.vot_toolkit),
    },
  ),
  'anchors': _Experiment('the protocol of anchors', {'vot_toolkit': _anchors}),
  'long_term': _Experiment(
    'the long-term protocol',
    {
      'pysot': _long_term(long_term.pysot),
      'vot_toolkit': _long_term(long_term.vot_toolkit),
    },
  ),
}
