"""Scores of trackers on a benchmark: computed, written and printed."""

import dataclasses
import json
import math
from collections.abc import Collection, Sequence
from pathlib import Path

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from acm_jax.evaluation import annotations, benchmarks, plots, protocols
from acm_jax.evaluation.protocols import Scores
from acm_jax.evaluation.results import find_results, read_result
from data_pipelines.staging import replacing

# Of the sequences that were not scored, as many are printed; scores.json has
# them all.
_NAMED = 5


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
    trackers: By tracker and sequence, the scores.
  """

  benchmark: str
  protocol: str
  missing: tuple[str, ...]
  ignored: dict[str, list[str]]
  short: dict[str, dict[str, int]]
  trackers: dict[str, dict[str, Scores]]

  def means(self) -> dict[str, Scores]:
    """Mean scores of each tracker over the sequences."""
    return {
      name: protocols.mean(list(sequences.values()))
      for name, sequences in self.trackers.items()
    }

  def heading(self) -> str:
    """What was scored and how, in one line."""
    return f'{self.benchmark}, {self.coverage()}, protocol {self.protocol}'

  def coverage(self) -> str:
    """How much of the benchmark was scored: '5 of 100 sequences'."""
    scored = len(next(iter(self.trackers.values())))
    return f'{scored} of {scored + len(self.missing)} sequences'

  def content(self) -> dict:
    """What scores.json holds; a figure of no frames is null."""

    def figures(scores):
      pairs = scores.figures().items()
      return {k: None if math.isnan(v) else round(v, 6) for k, v in pairs}

    means = self.means()
    return {
      'benchmark': self.benchmark,
      'protocol': self.protocol,
      'partial': bool(self.missing),
      'coverage': self.coverage(),
      'missing': list(self.missing),
      'ignored': self.ignored,
      'short': self.short,
      'trackers': {
        name: figures(means[name])
        | {'sequences': {k: figures(v) for k, v in sequences.items()}}
        for name, sequences in self.trackers.items()
      },
    }


def score(
  benchmark: str,
  annotation_path: Path,
  results: Sequence[Path],
  out: Path,
  protocol: str = 'pysot',
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
    protocol: A name in `protocols.PROTOCOLS`.
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
  protocol: str = 'pysot',
  only: Collection[str] | None = None,
) -> Report:
  """The report of `score`, neither written nor printed."""
  rate = protocols.get(protocol)
  settings = benchmarks.get(benchmark)
  folders = _by_tracker(results)
  truth = annotations.read(settings, annotation_path)
  official = settings.sequences or tuple(truth)
  found = {n: find_results(path, official) for n, path in folders.items()}
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
  short, scores = {}, {}
  for name, paths in files.items():
    scores[name] = {}
    for sequence in common:
      true = truth[sequence]
      result, rows = read_result(paths[sequence], len(true.box_xywh))
      scores[name][sequence] = rate(result, true.box_xywh, true.absent)
      if rows < len(result):
        short.setdefault(name, {})[sequence] = rows
  missing = tuple(s for s in official if s not in set(common))
  return Report(benchmark, protocol, missing, ignored, short, scores)


def write(report: Report, out: Path) -> None:
  """Writes the curves and then scores.json into `out`."""
  out.mkdir(parents=True, exist_ok=True)
  plots.write(report.means(), report.heading(), out)
  with replacing(out / 'scores.json') as path:
    path.write_text(json.dumps(report.content(), indent=1) + '\n')


def show(report: Report) -> None:
  """Prints the table of scores, best success first."""
  console = Console()
  if not console.is_terminal:
    # A log has no width: nothing is to be cut or wrapped.
    console = Console(width=200)
  table = Table(
    title=report.heading(),
    title_justify='left',
    box=rich.box.SIMPLE_HEAD if console.is_terminal else None,
    pad_edge=False,
  )
  table.add_column('tracker')
  for heading in ('success', 'P@20', 'NP@0.2', 'AO', 'SR@50', 'SR@75'):
    table.add_column(heading, justify='right')
  means = report.means().items()
  for name, scores in sorted(means, key=lambda m: -m[1].success.mean()):
    table.add_row(Text(name), *(f'{v:.4f}' for v in scores.figures().values()))
  console.print(table)
  for line in _remarks(report):
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _remarks(report):
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
