"""Scores of trackers on a benchmark, arranged, written and printed."""

import dataclasses
import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from acm_jax.evaluation import (
  experiments,
  plots,
  tables,
)
from acm_jax.evaluation.experiment import Analysis, Experiment
from acm_jax.evaluation.outcome import Outcome
from acm_jax.host.staging import replacing

# Of the sequences that were not scored, as many are printed; scores.json has
# them all.
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Report:
  """What was scored, how, and the outcome.

  Attributes:
    benchmark: Its name.
    protocol: Name of the definitions that the scores follow.
    experiment: What the results are of.
    analysis: How they are scored.
    missing: Sequences of the benchmark that were not scored, for want of an
      annotation or of a result of one of the trackers.
    trackers: By tracker, the scores.
    ignored: By tracker, text files that are named like no sequence.
    lacking: By tracker, annotated sequences that it has no result of.
    short: By tracker and sequence, where results end before the annotation:
      their frames. The rest are misses.
    long: By tracker and sequence, where results go on behind the annotation,
      as they may where there are more images: their frames. The rest are cut.
    runs: By tracker and sequence, of how many runs scores are the mean, if of
      more than one.
    unbounded: Sequences whose images' size is not known, so that regions are
      not cut to them as the protocol would.
    cropped: Sequences whose annotation is not as long as the official one: both
      numbers of frames.
    attributes: The scored sequences with each attribute, where it is known.
  """

  benchmark: str
  protocol: str
  experiment: Experiment
  analysis: Analysis
  missing: tuple[str, ...]
  trackers: dict[str, Outcome]
  ignored: dict[str, list[str]]
  lacking: dict[str, list[str]]
  short: dict[str, dict[str, int]]
  long: dict[str, dict[str, int]]
  runs: dict[str, dict[str, int]]
  unbounded: list[str]
  cropped: dict[str, tuple[int, int]]
  attributes: dict[str, list[str]]

  def figures(self) -> dict[str, dict[str, float]]:
    """Of each tracker over all sequences."""
    return {name: dict(o.total.figures) for name, o in self.trackers.items()}

  def table(
    self, values: Mapping[str, Mapping[str, float]] | None = None
  ) -> list[list[str]]:
    """Rows of the figures of each tracker, or of whatever else has them."""
    by = self.analysis
    values = self.figures() if values is None else values
    return tables.rows(values, 'tracker', by.figures, by.rank)

  @property
  def names(self) -> list[str]:
    """The sequences that were scored."""
    return list(next(iter(self.trackers.values())).sequences)

  def by_attribute(self) -> dict[str, dict[str, float]]:
    """The figure that ranks, of each tracker on the sequences with each."""
    names = self.names
    chosen = {
      attribute: np.isin(names, own)[None].astype(float)
      for attribute, own in self.attributes.items()
    }
    return {
      attribute: {
        name: float(outcome.redraw(counts)[0])
        for name, outcome in self.trackers.items()
      }
      for attribute, counts in chosen.items()
    }

  @functools.cached_property
  def intervals(self) -> dict[str, dict[str, tuple[float, float]]]:
    """By tracker, the best first, 95% intervals of the figure that ranks it.

    `own` is the figure's, `behind` that of how much lower it is than the best
    tracker's. None of a single sequence, or where the figure is not defined.
    """
    if len(self.names) < 2:
      return {}
    draws = tables.draws(len(self.names))
    figures = {
      name: self.trackers[name].redraw(draws)
      for name in tables.ranked(self.figures(), self.analysis.rank)
    }
    figures = {k: v for k, v in figures.items() if np.isfinite(v).any()}
    best = next(iter(figures.values()), None)
    return {
      name: {
        'own': tables.interval(each),
        'behind': tables.interval(best - each),
      }
      for name, each in figures.items()
    }

  def heading(self) -> str:
    """What was scored and how, in one line."""
    return f'{self.benchmark}, {self.coverage()}, protocol {self.protocol}'

  def coverage(self) -> str:
    """How much of the benchmark was scored: '5 of 100 sequences'."""
    scored = len(self.names)
    return f'{scored} of {scored + len(self.missing)} sequences'

  def content(self) -> dict:
    """What scores.json holds; a figure of no frames is null."""

    def rounded(figures):
      pairs = figures.items()
      return {k: None if math.isnan(v) else round(v, 6) for k, v in pairs}

    rank = self.analysis.rank
    intervals = {
      name: {f'{rank}_95': [round(x, 6) for x in each['own']]}
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
            k: rounded(v.figures) for k, v in outcome.sequences.items()
          }
        }
        for name, outcome in self.trackers.items()
      },
    }


def write(report: Report, out: Path) -> None:
  """Writes curves, tables, and at last scores.json into `out`.

  What an earlier report left there is removed, as it may have other files.
  """
  out.mkdir(parents=True, exist_ok=True)
  for name in (*experiments.plot_names(), plots.ATTRIBUTES):
    for suffix in ('png', 'csv'):
      (out / f'{name}.{suffix}').unlink(missing_ok=True)
  totals = {name: o.total for name, o in report.trackers.items()}
  plots.write(report.experiment.plots, totals, report.heading(), out)
  _write_tables(report, out)
  if report.attributes:
    plots.write_attributes(report.by_attribute(), report.heading(), out)
  with replacing(out / 'scores.json') as path:
    text = json.dumps(report.content(), indent=1, allow_nan=False)
    path.write_text(text + '\n')


def _write_tables(report: Report, out: Path) -> None:
  table = report.table()
  each = [['sequence', 'tracker', *table[0][1:]]]
  for name, outcome in report.trackers.items():
    figures = {s: score.figures for s, score in outcome.sequences.items()}
    _, *body = report.table(figures)
    each += [[sequence, name, *cells] for sequence, *cells in sorted(body)]
  for name, text in (
    ('table.md', tables.markdown(table)),
    ('table.tex', tables.latex(table, report.analysis.figures.values())),
    ('table.csv', tables.comma_separated(table)),
    ('sequences.csv', tables.comma_separated(each)),
  ):
    with replacing(out / name) as path:
      path.write_text(text)


def show(report: Report) -> None:
  """Prints the table of scores, the best tracker first."""
  table = report.table()
  tables.show(table, report.heading(), _remarks(report))


def _remarks(report):
  first = None
  rank = report.analysis.figures[report.analysis.rank].heading
  for name, each in report.intervals.items():
    low, high = each['own']
    text = f'{name}: {rank} {low:.3f} to {high:.3f}'
    if first:
      low, high = each['behind']
      text += f', behind {first} by {low:.3f} to {high:.3f}'
    first = first or name
    yield f'{text} (95%, over sequences)'
  if report.missing:
    yield f'partial, not scored: {_listed(report.missing)}'
  if len(report.trackers) > 1:
    for tracker, names in report.lacking.items():
      yield f'{tracker}: no result of {_listed(names)}'
  for tracker, files in report.ignored.items():
    yield f'{tracker}: no sequences of the benchmark: {_listed(files)}'
  for text, found in (
    ('several runs, averaged', report.runs),
    ('results end early, the rest are misses', report.short),
    ('results go on behind the annotation, cut there', report.long),
  ):
    unit = 'runs' if found is report.runs else 'rows'
    for tracker, sequences in found.items():
      listed = _listed([f'{k} ({v} {unit})' for k, v in sequences.items()])
      yield f'{tracker}: {text}: {listed}'
  if report.cropped:
    listed = [f'{k} ({n} of {m})' for k, (n, m) in report.cropped.items()]
    yield f'frames annotated, of the official ones: {_listed(listed)}'
  if report.unbounded:
    yield (
      'regions not cut to the images, whose size is not known: '
      f'{_listed(report.unbounded)}'
    )


def _listed(names):
  """Some of them; scores.json has all."""
  shown = ', '.join(names[:_NAMED])
  rest = len(names) - _NAMED
  return f'{shown}, and {rest} more' if rest > 0 else shown
