"""Scores of trackers on a benchmark: computed, written and printed."""

import dataclasses
import functools
import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from acm_jax.evaluation import (
  annotations,
  benchmarks,
  plots,
  protocols,
  reset,
  tables,
)
from acm_jax.evaluation.results import (
  find_results,
  is_reset,
  read_result,
  read_run,
)
from data_pipelines.staging import replacing

Scores = protocols.Scores | reset.Scores

# Of the sequences that were not scored, as many are printed; scores.json has
# them all.
_NAMED = 5


class Outcome(NamedTuple):
  """Scores of one tracker.

  Attributes:
    total: Of all sequences.
    sequences: Of each.
  """

  total: Scores
  sequences: Mapping[str, Scores]


@dataclasses.dataclass(frozen=True)
class Report:
  """What was scored, how, and the outcome.

  Attributes:
    benchmark: Its name.
    protocol: Name of the definitions that the scores follow.
    missing: Sequences of the benchmark that were not scored, for want of an
      annotation or of a result of one of the trackers.
    ignored: By tracker, text files that are named like no sequence.
    short: By tracker and sequence, where results end before the annotation:
      their frames. The rest are misses.
    trackers: By tracker, the scores.
    attributes: The scored sequences with each attribute, where it is known.
  """

  benchmark: str
  protocol: str
  missing: tuple[str, ...]
  ignored: dict[str, list[str]]
  short: dict[str, dict[str, int]]
  trackers: dict[str, Outcome]
  attributes: dict[str, list[str]] = dataclasses.field(default_factory=dict)

  def totals(self) -> dict[str, Scores]:
    """Scores of each tracker over all sequences."""
    return {name: outcome.total for name, outcome in self.trackers.items()}

  def by_attribute(self) -> dict[str, dict[str, float]]:
    """Success of each tracker on the sequences with an attribute."""
    return {
      attribute: {
        name: float(np.mean([o.sequences[s].success_auc for s in names]))
        for name, o in self.trackers.items()
      }
      for attribute, names in self.attributes.items()
    }

  @functools.cached_property
  def intervals(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By tracker, 95% intervals of its success and of what it is behind.

    The best tracker first. None of a single sequence, or of the reset
    protocol, of which EAO is no mean.
    """
    figures = {name: o.total.figures() for name, o in self.trackers.items()}
    names = tables.ranked(figures)
    if 'success_auc' not in figures[names[0]]:
      return {}
    values = np.array(
      [
        [score.success_auc for score in self.trackers[name].sequences.values()]
        for name in names
      ]
    )
    if values.shape[1] < 2:
      return {}
    own, behind = tables.intervals(values)
    return dict(zip(names, zip(own, behind, strict=True), strict=True))

  def heading(self) -> str:
    """What was scored and how, in one line."""
    return f'{self.benchmark}, {self.coverage()}, protocol {self.protocol}'

  def coverage(self) -> str:
    """How much of the benchmark was scored: '5 of 100 sequences'."""
    scored = len(next(iter(self.trackers.values())).sequences)
    return f'{scored} of {scored + len(self.missing)} sequences'

  def content(self) -> dict:
    """What scores.json holds; a figure of no frames is null."""

    def figures(scores):
      pairs = scores.figures().items()
      return {k: None if math.isnan(v) else round(v, 6) for k, v in pairs}

    return {
      'benchmark': self.benchmark,
      'protocol': self.protocol,
      'partial': bool(self.missing),
      'coverage': self.coverage(),
      'missing': list(self.missing),
      'ignored': self.ignored,
      'short': self.short,
      'attributes': {
        attribute: {
          'sequences': len(self.attributes[attribute]),
          'success_auc': {k: round(v, 6) for k, v in values.items()},
        }
        for attribute, values in self.by_attribute().items()
      },
      'trackers': {
        name: figures(outcome.total)
        | _interval_of(self.intervals.get(name))
        | {'sequences': {k: figures(v) for k, v in outcome.sequences.items()}}
        for name, outcome in self.trackers.items()
      },
    }


def _interval_of(intervals) -> dict[str, list[float]]:
  if intervals is None:
    return {}
  return {'success_auc_95': [round(float(x), 6) for x in intervals[0]]}


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
    protocol: One of `protocols`; the benchmark's own by default.
    only: Sequences to score; all that have results by default.

  Raises:
    OSError: Something cannot be read or written.
    ValueError: Something in the request or the files does not fit; nothing is
      written then.
  """
  report = compute(benchmark, annotation_path, results, protocol, only)
  write(report, out)
  show(report)
  return report


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
  kinds = {is_reset(path) for path in folders.values()}
  if len(kinds) > 1:
    raise ValueError(
      '--results: some are of the reset protocol (baseline/), some of one '
      'pass; score them apart'
    )
  (reset_protocol,) = kinds
  rate = (_rate_reset if reset_protocol else _rate_one_pass)(settings, protocol)
  read = annotations.read_regions if reset_protocol else annotations.read
  truth = read(settings, annotation_path)
  official = settings.sequences or tuple(truth)
  match = benchmarks.matcher(settings, official)
  found = {n: find_results(path, match) for n, path in folders.items()}
  files = {name: paths for name, (paths, _) in found.items()}
  ignored = {name: others for name, (_, others) in found.items() if others}
  common = [
    s
    for s in truth
    if (only is None or s in only)
    and all(s in paths for paths in files.values())
  ]
  if not common:
    raise ValueError(
      f'{annotation_path}: no annotated sequence has a result of every tracker'
    )
  known = {sequence: truth[sequence] for sequence in common}
  short, trackers = {}, {}
  for name, paths in files.items():
    trackers[name], ends = rate({s: paths[s] for s in common}, known)
    if ends:
      short[name] = ends
  missing = tuple(s for s in official if s not in known)
  attributes: dict[str, list[str]] = {}
  for name in common if not reset_protocol else ():
    for attribute in known[name].attributes:
      attributes.setdefault(attribute, []).append(name)
  attributes = dict(sorted(attributes.items()))
  return Report(
    benchmark, protocol, missing, ignored, short, trackers, attributes
  )


def _rate_one_pass(benchmark, protocol):
  definition = protocols.get(protocol, benchmark.name)

  def rate(files, truth):
    sequences, short = {}, {}
    for name, runs in files.items():
      rated = []
      for path in runs:
        result, rows = read_result(path, len(truth[name].box_xywh))
        rated.append(definition.rate(result, truth[name]))
        if rows < len(result):
          short[name] = rows
      sequences[name] = protocols.mean(rated) if len(rated) > 1 else rated[0]
    return Outcome(definition.total(list(sequences.values())), sequences), short

  return rate


def _rate_reset(benchmark, protocol):
  analyses = {'pysot': reset.pysot, 'vot_toolkit': reset.vot_toolkit}
  if benchmark.lengths is None:
    raise ValueError(
      f'{benchmark.name}: its results are of one pass, not below baseline/'
    )
  if protocol not in analyses:
    raise ValueError(
      f'--protocol {protocol}: of the reset protocol there are '
      f'{" and ".join(analyses)}'
    )

  def rate(files, truth):
    runs = {
      name: [read_run(path, len(truth[name].region)) for path in paths]
      for name, paths in files.items()
    }
    return Outcome(*analyses[protocol](runs, truth, benchmark.lengths)), {}

  return rate


def write(report: Report, out: Path) -> None:
  """Writes curves, tables, and at last scores.json into `out`."""
  out.mkdir(parents=True, exist_ok=True)
  plots.write(report.totals(), report.heading(), out)
  _write_tables(report, out)
  if report.attributes:
    plots.write_attributes(report.by_attribute(), report.heading(), out)
  with replacing(out / 'scores.json') as path:
    path.write_text(json.dumps(report.content(), indent=1) + '\n')


def _write_tables(report: Report, out: Path) -> None:
  totals = {name: o.total.figures() for name, o in report.trackers.items()}
  table = tables.rows(totals, 'tracker')
  each = [['sequence', 'tracker', *table[0][1:]]]
  for name, outcome in report.trackers.items():
    figures = {s: score.figures() for s, score in outcome.sequences.items()}
    for sequence, *cells in sorted(tables.rows(figures, 'sequence')[1:]):
      each.append([sequence, name, *cells])
  for name, text in (
    ('table.md', tables.markdown(table)),
    ('table.tex', tables.latex(table)),
    ('table.csv', tables.comma_separated(table)),
    ('sequences.csv', tables.comma_separated(each)),
  ):
    with replacing(out / name) as path:
      path.write_text(text)


def show(report: Report) -> None:
  """Prints the table of scores, best success first."""
  totals = {name: o.total.figures() for name, o in report.trackers.items()}
  table = tables.rows(totals, 'tracker')
  tables.show(table, report.heading(), _remarks(report))


def _remarks(report):
  first = None
  for name, (own, behind) in report.intervals.items():
    text = f'{name}: success {own[0]:.3f} to {own[1]:.3f}'
    if first:
      text += f', behind {first} by {behind[0]:.3f} to {behind[1]:.3f}'
    first = first or name
    yield f'{text} (95%, over sequences)'
  if report.missing:
    shown = list(report.missing[:_NAMED])
    if len(report.missing) > _NAMED:
      shown.append(f'and {len(report.missing) - _NAMED} more')
    yield f'partial, not scored: {", ".join(shown)}'
  for tracker, files in report.ignored.items():
    yield f'{tracker}: no sequences of the benchmark: {", ".join(files)}'
  for tracker, sequences in report.short.items():
    listed = ', '.join(f'{k} ({v} rows)' for k, v in sequences.items())
    yield f'{tracker}: results end early, the rest are misses: {listed}'


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
