"""Reports trackers' scores on a benchmark, as files and as a printed table."""

import dataclasses
import functools
import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from acm_jax.evaluation import experiments, failures, plots, tables
from acm_jax.evaluation.experiment import Analysis, Experiment
from acm_jax.evaluation.outcome import Outcome
from acm_jax.host import text_files
from acm_jax.host.staging import check_absent, replacing

# Maximum number of names printed per list; scores.json has the whole list.
_NAMED = 5
_SCORES = 'scores.json'
_TABLES = ('table.md', 'table.tex', 'table.csv', 'sequences.csv')


@dataclasses.dataclass(frozen=True)
class Report:
  """Scores of trackers on a benchmark, and how the scores were obtained.

  Attributes:
    benchmark: Name of the benchmark.
    protocol: Name of the scoring protocol. A scoring protocol is named after
      the toolkit whose rules it follows.
    experiment: Experiment that the results are from.
    analysis: Scoring function and figures of the scoring protocol. A figure is
      a score that is a single number.
    missing: Sequences of the benchmark that were not scored. A sequence is left
      out for all trackers if it was not requested, if it has no annotation, or
      if at least one tracker has no result for it (see `lacking`).
    trackers: Scores of each tracker.
    ignored: For each tracker, the text files that match no sequence.
    lacking: For each tracker, the requested sequences that have an annotation
      but no result. These sequences are also in `missing`.
    failed: For each tracker, the scored sequences on which it failed, with the
      reasons; see `failures`.
    short: For each tracker, the sequences whose result has fewer rows than the
      annotation, with the number of rows. The missing rows count as misses.
    long: For each tracker, the sequences whose result has more rows than the
      annotation, with the number of rows. The additional rows are not scored.
    runs: For each tracker, the sequences that have several runs, with the
      number of runs. Scores are averaged over the runs.
    unbounded: Sequences with an unknown image size. Regions in these sequences
      are not clipped to the images, although the scoring protocol clips them.
    cropped: Sequences whose number of annotated frames differs from the
      official number of frames, with these two numbers.
    attributes: For each attribute, the scored sequences that have it; empty if
      attributes are unknown.
  """

  benchmark: str
  protocol: str
  experiment: Experiment
  analysis: Analysis
  missing: tuple[str, ...]
  trackers: dict[str, Outcome]
  ignored: dict[str, list[str]]
  lacking: dict[str, list[str]]
  failed: dict[str, dict[str, str]]
  short: dict[str, dict[str, int]]
  long: dict[str, dict[str, int]]
  runs: dict[str, dict[str, int]]
  unbounded: list[str]
  cropped: dict[str, tuple[int, int]]
  attributes: dict[str, list[str]]

  def figures(self) -> dict[str, dict[str, float]]:
    """Returns the figures of each tracker over all sequences."""
    return {
      name: dict(outcome.total.figures)
      for name, outcome in self.trackers.items()
    }

  def table(
    self, values: Mapping[str, Mapping[str, float]] | None = None
  ) -> list[list[str]]:
    """Returns a row of headings, then a row for each key of `values`.

    The rows after the headings are sorted, best first.

    Args:
      values: Figures of each row. Keys are the names in the first column
        (default: the figures of each tracker).
    """
    analysis = self.analysis
    values = self.figures() if values is None else values
    return tables.rows(values, 'tracker', analysis.figures, analysis.rank)

  @property
  def names(self) -> list[str]:
    """Names of the scored sequences."""
    first = next(iter(self.trackers.values()))
    return list(first.sequences)

  def by_attribute(self) -> dict[str, dict[str, float]]:
    """Computes the figure that ranks trackers, separately for each attribute.

    Returns:
      Nested dictionary from attributes to trackers to values. Each value is the
      tracker's figure over the sequences that have the attribute.
    """
    names = self.names
    # A draw counts the occurrences of each sequence: here 1 if the sequence has
    # the attribute, else 0.
    draws = {
      attribute: np.isin(names, own)[None].astype(float)
      for attribute, own in self.attributes.items()
    }
    return {
      attribute: {
        name: outcome.redraw(draw).item()
        for name, outcome in self.trackers.items()
      }
      for attribute, draw in draws.items()
    }

  @functools.cached_property
  def intervals(self) -> dict[str, dict[str, tuple[float, float]]]:
    """95% confidence intervals (low, high) of each tracker, best tracker first.

    Each tracker has two intervals. `own` is for the figure that ranks trackers.
    `behind` is for the best tracker's figure minus this tracker's figure.
    Trackers whose figure is undefined are left out. If only one sequence is
    scored, there are no intervals.
    """
    if len(self.names) < 2:
      return {}
    draws = tables.draws(len(self.names))
    figures = {
      name: self.trackers[name].redraw(draws)
      for name in tables.ranked(self.figures(), self.analysis.rank)
    }
    figures = {
      name: values
      for name, values in figures.items()
      if np.isfinite(values).any()
    }
    best = next(iter(figures.values()), None)
    return {
      name: {
        'own': tables.interval(values),
        'behind': tables.interval(best - values),
      }
      for name, values in figures.items()
    }

  def heading(self) -> str:
    """Returns a line with the benchmark, coverage and scoring protocol."""
    return f'{self.benchmark}, {self.coverage()}, protocol {self.protocol}'

  def coverage(self) -> str:
    """Returns how much is scored, for example '5 of 100 sequences'."""
    scored = len(self.names)
    return f'{scored} of {scored + len(self.missing)} sequences'

  def content(self) -> dict:
    """Returns the content of scores.json; undefined figures are null."""

    def rounded(figures):
      return {
        name: None if math.isnan(value) else round(value, 6)
        for name, value in figures.items()
      }

    rank = self.analysis.rank
    intervals = {
      name: {f'{rank}_95': [round(bound, 6) for bound in each['own']]}
      for name, each in self.intervals.items()
    }
    return {
      'benchmark': self.benchmark,
      'protocol': self.protocol,
      'partial': bool(self.missing or self.cropped),
      'coverage': self.coverage(),
      'missing': list(self.missing),
      'ignored': self.ignored,
      'lacking': self.lacking,
      'failed': self.failed,
      'short': self.short,
      'long': self.long,
      'runs': self.runs,
      'unbounded': self.unbounded,
      'cropped': self.cropped,
      'attributes': {
        attribute: {
          'sequences': len(self.attributes[attribute]),
          rank: rounded(values),
        }
        for attribute, values in self.by_attribute().items()
      },
      'trackers': {
        name: rounded(outcome.total.figures)
        | intervals.get(name, {})
        | {
          'sequences': {
            sequence: rounded(scores.figures)
            for sequence, scores in outcome.sequences.items()
          }
        }
        for name, outcome in self.trackers.items()
      },
    }


def check_out(out: Path) -> None:
  """Checks that a folder has no earlier report.

  Raises:
    ValueError: The folder has a file that `write` would replace.
  """
  for name in (_SCORES, *_TABLES):
    check_absent(out / name)


def write(report: Report, out: Path) -> None:
  """Writes scores.json and tables into `out`, then plots.

  Removes the plots of an earlier report first, since that report may have
  plots that this one lacks. If a PNG file cannot be written, a warning says so.

  Raises:
    OSError: A file cannot be written.
  """
  out.mkdir(parents=True, exist_ok=True)
  for name in (*experiments.plot_names(), plots.ATTRIBUTES):
    for suffix in ('png', 'csv'):
      (out / f'{name}.{suffix}').unlink(missing_ok=True)
  with replacing(out / _SCORES) as path:
    text = json.dumps(report.content(), indent=1, allow_nan=False)
    text_files.write(path, text + '\n')
  _write_tables(report, out)
  totals = {name: outcome.total for name, outcome in report.trackers.items()}
  plots.write(report.experiment.plots, totals, report.heading(), out)
  if report.attributes:
    plots.write_attributes(report.by_attribute(), report.heading(), out)


def _write_tables(report: Report, out: Path) -> None:
  table = report.table()
  (_, *headings), *_ = table
  # Only baselines fail, so most reports need no column of reasons.
  reason = ['failure'] if report.failed else []
  by_sequence = [['sequence', 'tracker', *headings, *reason]]
  for tracker, outcome in report.trackers.items():
    figures = {
      name: scores.figures for name, scores in outcome.sequences.items()
    }
    _, *body = report.table(figures)
    failed = report.failed.get(tracker, {})
    for name, *cells in sorted(body):
      reasons = [failed.get(name, '-')] if reason else []
      by_sequence.append([name, tracker, *cells, *reasons])
  texts = (
    tables.markdown(table),
    tables.latex(table, report.analysis.figures.values()),
    tables.comma_separated(table),
    tables.comma_separated(by_sequence),
  )
  for name, text in zip(_TABLES, texts, strict=True):
    with replacing(out / name) as path:
      text_files.write(path, text)


def show(report: Report) -> None:
  """Prints the table of scores, best tracker first, and then remarks."""
  table = report.table()
  tables.show(table, report.heading(), _remarks(report))


def _remarks(report):
  best = None
  rank = report.analysis.figures[report.analysis.rank].heading
  for name, each in report.intervals.items():
    low, high = each['own']
    text = f'{name}: {rank} {low:.3f} to {high:.3f}'
    if best:
      low, high = each['behind']
      text += f', behind {best} by {low:.3f} to {high:.3f}'
    best = best or name
    yield f'{text} (95% confidence, from resampled sequences)'
  if report.missing:
    yield f'partial scores; sequences not scored: {_listed(report.missing)}'
  if len(report.trackers) > 1:
    for tracker, names in report.lacking.items():
      yield f'{tracker}: no result for {_listed(names)}'
  for tracker, failed in report.failed.items():
    lines = failures.remarks(tracker, failed)
    yield from itertools.islice(lines, _NAMED)
    if others := list(failed)[_NAMED:]:
      yield (
        f'{tracker}: failed also on {_listed(others)}, for the reasons in '
        'scores.json'
      )
  for tracker, files in report.ignored.items():
    yield f'{tracker}: files that match no sequence: {_listed(files)}'
  for remark, unit, by_tracker in (
    ('averaged over several runs', 'runs', report.runs),
    ('results end early; missing rows count as misses', 'rows', report.short),
    (
      'results continue past the annotation; additional rows are ignored',
      'rows',
      report.long,
    ),
  ):
    for tracker, sequences in by_tracker.items():
      listed = [f'{name} ({n} {unit})' for name, n in sequences.items()]
      yield f'{tracker}: {remark}: {_listed(listed)}'
  if report.cropped:
    listed = [
      f'{name} ({annotated} instead of {official})'
      for name, (annotated, official) in report.cropped.items()
    ]
    yield (
      'number of annotated frames differs from the official one: '
      f'{_listed(listed)}'
    )
  if report.unbounded:
    yield (
      'regions are not clipped to the images, whose size is unknown: '
      f'{_listed(report.unbounded)}'
    )


def _listed(names):
  """Joins at most `_NAMED` names; adds how many more names there are."""
  shown = ', '.join(names[:_NAMED])
  rest = len(names) - _NAMED
  return f'{shown}, and {rest} more' if rest > 0 else shown
