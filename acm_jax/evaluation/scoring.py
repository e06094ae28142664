"""Scores trackers from their result files, and reports the scores."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from acm_jax.evaluation import (
  annotations,
  benchmarks,
  experiments,
  failures,
  report,
)
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import Analysis, Experiment, Truths
from acm_jax.evaluation.outcome import Outcome
from acm_jax.evaluation.report import Report


def score(
  benchmark: str,
  annotation_path: Path,
  results: Sequence[Path],
  out: Path,
  protocol: str | None = None,
) -> Report:
  """Scores trackers' result files, writes the report to `out` and prints it.

  Args:
    benchmark: Name of the benchmark, a key of `benchmarks.BENCHMARKS`.
    annotation_path: Path of the annotations; see `annotations.read`.
    results: Folders of results, one per tracker. The name of a folder is the
      name of the tracker.
    out: Output folder for scores.json, plots as PNG and CSV, and tables.
    protocol: Name of the scoring protocol, such as `pysot` (default: the
      benchmark's own). A scoring protocol is named after the toolkit whose
      rules it follows.

  Returns:
    The report.

  Raises:
    OSError: A file cannot be read or written.
    ValueError: The arguments or the files do not fit together. Nothing has been
      written in this case.
  """
  scored = compute(benchmark, annotation_path, results, protocol)
  report.write(scored, out)
  report.show(scored)
  return scored


def compute(
  benchmark: str,
  annotation_path: Path,
  results: Sequence[Path],
  protocol: str | None = None,
) -> Report:
  """Computes the report of `score`, without writing or printing it."""
  settings, folders = benchmarks.get(benchmark), _by_tracker(results)
  experiment = _experiment(folders, settings)
  protocol = protocol or settings.protocol
  # Check the protocol before reading annotations: if `benchmark` is wrong, the
  # error about annotations would be less helpful.
  experiments.analysis(experiment, settings, protocol)
  truths = annotations.read(settings, annotation_path)
  return compare(settings, experiment, truths, folders, protocol)


def compare(
  benchmark: Benchmark,
  experiment: Experiment,
  truths: Truths,
  folders: Mapping[str, Path],
  protocol: str | None = None,
  only: Collection[str] | None = None,
) -> Report:
  """Finds, reads and scores the result files of trackers.

  All trackers are scored on the same sequences: those for which every tracker
  has a result.

  Args:
    benchmark: Benchmark of the sequences.
    experiment: Experiment that the results are from.
    truths: Ground truth of each sequence; keys are names of sequences.
    folders: Folder of each tracker's results; keys are names of trackers.
    protocol: Scoring protocol, as in `score`.
    only: Names of the sequences to score (default: all that have results).

  Raises:
    OSError: A file cannot be read.
    ValueError: The arguments or the files do not fit together.
  """
  protocol = protocol or benchmark.protocol
  analysis = experiments.analysis(experiment, benchmark, protocol)
  _check_public(benchmark, truths)
  official = benchmark.sequences or tuple(truths)
  match = benchmarks.matcher(benchmark, official)
  files, ignored = {}, {}
  for tracker, folder in folders.items():
    files[tracker], ignored[tracker] = experiment.find(folder, match)
  requested = [name for name in truths if only is None or name in only]
  lacking = {
    tracker: [name for name in requested if name not in own]
    for tracker, own in files.items()
  }
  common = [
    name
    for name in requested
    if not any(name in names for names in lacking.values())
  ]
  if not common:
    raise ValueError(
      f'{", ".join(folders)}: no annotated sequence of {benchmark.name} has '
      'results of all trackers; score the trackers separately, or add results'
    )
  known = {name: truths[name] for name in common}
  outcomes = {}
  for tracker, own in files.items():
    runs = experiment.read_all(
      {name: own[name] for name in common}, known, benchmark
    )
    outcomes[tracker] = analysis.score(runs, known)
  return Report(
    benchmark.name,
    protocol,
    experiment,
    _with_known_figures(analysis, outcomes),
    missing=tuple(name for name in official if name not in known),
    trackers=outcomes,
    ignored=_non_empty(ignored),
    lacking=_non_empty(lacking),
    failed=_non_empty(
      {
        tracker: {
          name: reason
          for name, reason in failures.read(folder).items()
          if name in known
        }
        for tracker, folder in folders.items()
      }
    ),
    short=_non_empty({t: dict(each.short) for t, each in outcomes.items()}),
    long=_non_empty({t: dict(each.long) for t, each in outcomes.items()}),
    runs=_non_empty(
      {
        tracker: {n: len(own[n]) for n in common if len(own[n]) > 1}
        for tracker, own in files.items()
        if experiment.repeats
      }
    ),
    unbounded=[
      name
      for name in common
      if analysis.needs_sizes and known[name].size is None
    ],
    cropped=_cropped(benchmark, known),
    attributes=_by_attribute(known),
  )


def _with_known_figures(
  analysis: Analysis, outcomes: Mapping[str, Outcome]
) -> Analysis:
  """Removes the figures that are undefined for all trackers."""
  totals = [outcome.total.figures for outcome in outcomes.values()]
  known = {
    name: figure
    for name, figure in analysis.figures.items()
    if not all(np.isnan(each[name]) for each in totals) or name == analysis.rank
  }
  return analysis._replace(figures=known)


def _by_tracker(results: Sequence[Path]) -> dict[str, Path]:
  if not results:
    raise ValueError('`results`: give at least one folder of results')
  folders = {}
  for path in results:
    name = path.resolve().name
    if name in folders:
      raise ValueError(
        f'`results`: two trackers are called {name!r}; rename a folder'
      )
    folders[name] = path
  return folders


def _experiment(
  folders: Mapping[str, Path], benchmark: Benchmark
) -> Experiment:
  """Returns the experiment that all results are from."""
  found = {experiments.of_results(path, benchmark) for path in folders.values()}
  if len(found) > 1:
    titles = ' and '.join(sorted(each.title for each in found))
    raise ValueError(
      f'`results`: the folders are from different experiments, {titles}; score '
      'the folders of each experiment separately'
    )
  return found.pop()


def _check_public(benchmark: Benchmark, truths: Truths) -> None:
  annotated = [
    np.isfinite(truth.box_xywh).all(axis=1).sum() for truth in truths.values()
  ]
  # The first boxes of hidden annotations are public.
  if benchmark.hidden and max(annotated) <= 1:
    raise ValueError(
      f'{benchmark.name}: only its server has the annotations; instead of '
      'scoring, validate an archive of the results with `check`, then submit '
      'the archive to the server'
    )


def _cropped(
  benchmark: Benchmark, truths: Truths
) -> dict[str, tuple[int, int]]:
  """Returns a dictionary from sequences to (annotated, official) frame counts.

  Sequences in which the two counts are equal are left out.
  """
  official = benchmark.frames()
  lengths = {
    name: (truth.frames, official.get(name, truth.frames))
    for name, truth in truths.items()
  }
  return {
    name: (annotated, expected)
    for name, (annotated, expected) in lengths.items()
    if annotated != expected
  }


def _by_attribute(truths: Truths) -> dict[str, list[str]]:
  """Returns a dictionary from sorted attributes to lists of sequences.

  The list of an attribute has the sequences with that attribute.
  """
  found: dict[str, list[str]] = {}
  for name, truth in truths.items():
    for attribute in truth.attributes:
      found.setdefault(attribute, []).append(name)
  return dict(sorted(found.items()))


def _non_empty(by_tracker):
  """Removes trackers with an empty value."""
  return {tracker: value for tracker, value in by_tracker.items() if value}
