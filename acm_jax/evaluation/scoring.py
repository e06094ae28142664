"""From folders of result files to a report of their scores."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from acm_jax.evaluation import annotations, benchmarks, experiments, report
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import Experiment, Truths
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
    benchmark: A name in `benchmarks.BENCHMARKS`.
    annotation_path: See `annotations.read`.
    results: One folder a tracker; its name is the tracker's.
    out: Gets scores.json, the curves as PNG and CSV, and tables.
    protocol: Whose definitions of the scores, as `pysot`; the benchmark's own
      by default.

  Raises:
    OSError: Something cannot be read or written.
    ValueError: Something in the request or the files does not fit; nothing is
      written then.
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
  """The report of `score`, neither written nor printed."""
  settings, folders = benchmarks.get(benchmark), _by_tracker(results)
  experiment = _experiment(folders, settings)
  protocol = protocol or settings.protocol
  # Refused before the annotations are read, which may be of another benchmark.
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
  """Finds trackers' result files, reads them and scores the runs in them.

  All trackers are scored on the same sequences: those that each of them has a
  result of.

  Args:
    benchmark: What the sequences are of.
    experiment: What the results are of.
    truths: What is known of the sequences, by name.
    folders: Results by tracker.
    protocol: As for `score`.
    only: Sequences to score; all that have results by default.

  Raises:
    OSError: A file cannot be read.
    ValueError: Something in the request or the files does not fit.
  """
  protocol = protocol or benchmark.protocol
  analysis = experiments.analysis(experiment, benchmark, protocol)
  _check_public(benchmark, truths)
  official = benchmark.sequences or tuple(truths)
  match = benchmarks.matcher(benchmark, official)
  files, ignored = {}, {}
  for name, folder in folders.items():
    files[name], ignored[name] = experiment.find(folder, match)
  asked = [s for s in truths if only is None or s in only]
  lacking = {
    name: [s for s in asked if s not in own] for name, own in files.items()
  }
  common = [s for s in asked if not any(s in own for own in lacking.values())]
  if not common:
    raise ValueError(
      f'{", ".join(folders)}: no annotated sequence of {benchmark.name} has a '
      'result of every tracker'
    )
  known = {sequence: truths[sequence] for sequence in common}
  rated = {}
  for name, own in files.items():
    own = {sequence: own[sequence] for sequence in common}
    runs = experiment.read_all(own, known, benchmark)
    # By the experiment's function for these definitions.
    rated[name] = analysis.score(runs, known)
  return Report(
    benchmark.name,
    protocol,
    experiment,
    analysis,
    missing=tuple(s for s in official if s not in known),
    trackers=rated,
    ignored=_kept(ignored),
    lacking=_kept(lacking),
    short=_kept({name: dict(each.short) for name, each in rated.items()}),
    long=_kept({name: dict(each.long) for name, each in rated.items()}),
    runs=_kept(
      {
        name: {s: len(own[s]) for s in common if len(own[s]) > 1}
        for name, own in files.items()
        if experiment.repeats
      }
    ),
    unbounded=[
      s for s in common if analysis.needs_sizes and known[s].size is None
    ],
    cropped=_cropped(benchmark, known),
    attributes=_by_attribute(known),
  )


def _by_tracker(results: Sequence[Path]) -> dict[str, Path]:
  if not results:
    raise ValueError('--results: name at least one folder of results')
  folders = {}
  for path in results:
    name = path.resolve().name
    if name in folders:
      raise ValueError(f'--results: two trackers are called {name!r}')
    folders[name] = path
  return folders


def _experiment(
  folders: Mapping[str, Path], benchmark: Benchmark
) -> Experiment:
  """What all results are of."""
  found = {experiments.of_results(path, benchmark) for path in folders.values()}
  if len(found) > 1:
    titles = ', '.join(sorted(each.title for each in found))
    raise ValueError(
      f'--results: of different experiments, {titles}; score them apart'
    )
  return found.pop()


def _check_public(benchmark: Benchmark, truths: Truths) -> None:
  known = [np.isfinite(t.box_xywh).all(axis=1).sum() for t in truths.values()]
  # The first boxes of hidden annotations are public.
  if benchmark.hidden and max(known) <= 1:
    raise ValueError(
      f'{benchmark.name}: only its server has the annotations; --check '
      'ARCHIVE.zip makes sure that it can read results'
    )


def _cropped(benchmark: Benchmark, truths: Truths) -> dict[str, tuple]:
  """Frames of the annotations that are not as long as the official ones."""
  whole = benchmark.frames()
  lengths = {
    name: (truth.frames, whole.get(name, truth.frames))
    for name, truth in truths.items()
  }
  return {name: (n, m) for name, (n, m) in lengths.items() if n != m}


def _by_attribute(truths: Truths) -> dict[str, list[str]]:
  """The sequences with each attribute."""
  found: dict[str, list[str]] = {}
  for name, truth in truths.items():
    for attribute in truth.attributes:
      found.setdefault(attribute, []).append(name)
  return dict(sorted(found.items()))


def _kept(by_tracker):
  return {name: value for name, value in by_tracker.items() if value}
