"""From folders of result files to a report of their scores."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from acm_jax.evaluation import annotations, benchmarks, experiments, report
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import Experiment
from acm_jax.evaluation.report import Report
from acm_jax.evaluation.results import find_results


def score(
  benchmark: str,
  annotation_path: Path,
  results: Sequence[Path],
  out: Path,
  protocol: str | None = None,
  only: Collection[str] | None = None,
) -> Report:
  """Scores trackers' result files, writes the report to `out` and prints it.

  All trackers are scored on the same sequences: those that each of them has a
  result of.

  Args:
    benchmark: A name in `benchmarks.BENCHMARKS`.
    annotation_path: See `annotations.read`.
    results: One folder a tracker; its name is the tracker's.
    out: Gets scores.json and, as PNG and CSV, the curves.
    protocol: Whose definitions of the scores, as `pysot`; the benchmark's own
      by default.
    only: Sequences to score; all that have results by default.

  Raises:
    OSError: Something cannot be read or written.
    ValueError: Something in the request or the files does not fit; nothing is
      written then.
  """
  scored = compute(benchmark, annotation_path, results, protocol, only)
  report.write(scored, out)
  report.show(scored)
  return scored


def compute(
  benchmark: str,
  annotation_path: Path,
  results: Sequence[Path],
  protocol: str | None = None,
  only: Collection[str] | None = None,
) -> Report:
  """The report of `score`, neither written nor printed."""
  settings = benchmarks.get(benchmark)
  protocol = protocol or settings.protocol
  folders = _by_tracker(results)
  experiment = _experiment(folders, settings)
  analysis = experiments.analysis(experiment, settings, protocol)
  truth = annotations.read(settings, annotation_path)
  official = settings.sequences or tuple(truth)
  match = benchmarks.matcher(settings, official)
  found = {
    name: find_results(path, path / experiment.place, match)
    for name, path in folders.items()
  }
  files = {name: paths for name, (paths, _) in found.items()}
  ignored = {name: others for name, (_, others) in found.items() if others}
  asked = [s for s in truth if only is None or s in only]
  lacking = {
    name: [s for s in asked if s not in paths] for name, paths in files.items()
  }
  common = [s for s in asked if not any(s in own for own in lacking.values())]
  if not common:
    raise ValueError(
      f'{annotation_path}: no annotated sequence has a result of every tracker'
    )
  known = {sequence: truth[sequence] for sequence in common}
  rated = {
    name: analysis.rate({s: paths[s] for s in common}, known)
    for name, paths in files.items()
  }
  attributes: dict[str, list[str]] = {}
  whole = settings.frames()
  for name in common:
    for attribute in known[name].attributes:
      attributes.setdefault(attribute, []).append(name)
  return Report(
    benchmark,
    protocol,
    experiment,
    analysis,
    missing=tuple(s for s in official if s not in known),
    trackers=rated,
    ignored=ignored,
    lacking=_kept(lacking),
    short=_kept({name: dict(each.short) for name, each in rated.items()}),
    long=_kept({name: dict(each.long) for name, each in rated.items()}),
    runs=_kept(
      {
        name: {s: len(paths[s]) for s in common if len(paths[s]) > 1}
        for name, paths in files.items()
        if experiment.repeats
      }
    ),
    unbounded=[
      s for s in common if analysis.needs_sizes and known[s].size is None
    ],
    cropped={
      s: (known[s].frames, whole[s])
      for s in common
      if known[s].frames != whole.get(s, known[s].frames)
    },
    attributes=dict(sorted(attributes.items())),
  )


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


def _kept(by_tracker):
  return {name: value for name, value in by_tracker.items() if value}


def _by_tracker(results):
  if not results:
    raise ValueError('--results: name at least one folder of results')
  folders = {}
  for path in results:
    name = path.resolve().name
    if name in folders:
      raise ValueError(f'--results: two trackers are called {name!r}')
    folders[name] = path
  return folders
