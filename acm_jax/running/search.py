"""Search of hyper-parameters: many candidates at once follow each sequence.

Candidates are a scrambled Halton sequence, so that a larger budget goes on
where a smaller one ended. Each has a folder of result files named by its
values, as `evaluate --hparams` takes them: what is there is not done again, and
`score` takes each for a tracker.
"""

import dataclasses
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from scipy.stats import qmc

from acm_jax.datasets.sequences import read_ahead
from acm_jax.evaluation import owner, plots, report, tables
from acm_jax.evaluation.runs import Run, boxes_alone
from acm_jax.host.progress import Progress
from acm_jax.host.staging import replacing
from acm_jax.running.evaluate import Task
from acm_jax.tracking import video_tracker
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.engine import Programs
from acm_jax.tracking.model import Model, hparams_of

# Of the candidates, as many are printed; search.csv has them all.
_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Budget:
  """How much is searched.

  Attributes:
    candidates: Number of candidates, the given values included.
    seed: Random seed for sampling them.
    at_once: Number of candidates that follow a sequence together.
  """

  candidates: int = 64
  seed: int = 0
  at_once: int = 16

  def __post_init__(self):
    for flag, value in (
      ('--budget', self.candidates),
      ('--lanes', self.at_once),
    ):
      if value < 1:
        raise ValueError(f'{flag}={value}: at least 1')
    if self.seed < 0:
      raise ValueError(f'--seed={self.seed}: at least 0')


def candidates(model: Model, budget: Budget) -> dict[str, Hparams]:
  """What is tried, by its name: the model's own, then places in the spans."""
  spans = model.tracker.hparam_spans
  halton = qmc.Halton(len(spans), rng=budget.seed)
  places = qmc.scale(
    halton.random(budget.candidates), *zip(*spans.values(), strict=True)
  )
  # Rounded, so that a name says all.
  tried = [
    model.hparams.replace(**dict(zip(spans, map(float, row), strict=True)))
    for row in places[:-1].round(4)
  ]
  return {
    ','.join(f'{k}={float(getattr(each, k))!r}' for k in spans): each
    for each in (model.hparams, *tried)
  }


def search(model: Model, task: Task, out: Path, budget: Budget) -> None:
  """Tries hyper-parameters on sequences, ranks them by success, says the best.

  Args:
    model: Its hyper-parameters are the first candidate, and what is not
      searched of the others.
    task: What they are tried on.
    out: Gets `<benchmark>/<tracker>.search` with a folder of results for each
      candidate, search.json, search.csv and search.png.
    budget: How much is tried.

  Raises:
    ValueError: The benchmark has no scores to rank by, the results there are of
      another tracker, or a sequence cannot be tracked.
  """
  benchmark, found = task.benchmark, task.sequences
  if benchmark.hidden or not task.experiment.searchable:
    reason = (
      'only its server has the annotations'
      if benchmark.hidden
      else 'candidates are followed in one pass'
    )
    raise ValueError(f'--search: not on {benchmark.name}, {reason}')
  if not benchmark.validation:
    logging.warning(
      '%s is a test set: what is found on it cannot be reported on it; '
      'search on a validation set, as got10k_val',
      benchmark.name,
    )
  tried = candidates(model, budget)
  name = f'{model.name}.search'
  folder = out / benchmark.name / name
  about = {
    each: model.about() | {'hparams': hparams_of(values)}
    for each, values in tried.items()
  }
  for each, its in about.items():
    owner.check(folder / each, its)
  at_once = min(budget.at_once, len(tried))
  total, done = len(tried) * sum(map(len, found)), 0
  truths, programs = task.truths, Programs()
  with Progress(name, total, 'boxes') as shown:
    for begun in range(0, len(tried), at_once):
      group = list(tried)[begun : begun + at_once]
      for sequence in found:
        named = sequence.name, truths[sequence.name], benchmark
        left = [
          each
          for each in group
          if not task.experiment.is_done(folder / each, *named)
        ]
        if left:
          values = [tried[each] for each in left]
          runs = _follow(model, values, sequence, programs)
          for each, run in zip(left, runs, strict=True):
            owner.mark(folder / each, about[each])
            task.experiment.write(
              folder / each, sequence.name, [run], benchmark
            )
        done += len(group) * len(sequence)
        shown.update(done)
  scored = task.score({each: folder / each for each in tried})
  _write(scored, tried, model.tracker.hparam_spans, budget, folder)


def _follow(model, values, sequence, programs) -> list[Run]:
  """Follows a sequence with all candidates at once, which share its frames."""
  stacked = jax.tree.map(lambda *x: np.array(x, np.float32), *values)
  boxes = np.tile(sequence.box_xywh[:1], (len(values), 1))
  frames = read_ahead(sequence.frame_paths)
  try:
    tracked = list(
      video_tracker.follow(model, frames, boxes, programs, hparams=stacked)
    )
  except ValueError as error:
    raise ValueError(f'{sequence.name}: {error}') from error
  return [
    boxes_alone([found.box_xywh for found in own])
    for own in zip(*tracked, strict=True)
  ]


def _write(
  scored: report.Report,
  tried: Mapping[str, Hparams],
  spans: Mapping[str, tuple[float, float]],
  budget: Budget,
  folder: Path,
) -> None:
  """Writes the candidates and prints the best, in the order of success."""
  figures = scored.figures()
  ranked = tables.ranked(figures, scored.analysis.rank)
  given = next(iter(tried))
  # With what is not searched, where it is not as usual.
  fields = dataclasses.fields(Hparams)
  others = {f.name: float(getattr(tried[given], f.name)) for f in fields}
  best = ','.join(
    [
      ranked[0],
      *(f'{k}={v!r}' for k, v in others.items() if k not in spans and v),
    ]
  )
  values = {k: [float(getattr(tried[k], n)) for n in spans] for k in ranked}
  heading = f'{scored.heading()}, {len(tried)} candidates, seed {budget.seed}'
  content = {
    'benchmark': scored.benchmark,
    'protocol': scored.protocol,
    'coverage': scored.coverage(),
    'seed': budget.seed,
    'spans': dict(spans),
    'given': given,
    'best': best,
    'candidates': {
      name: {
        **dict(zip(spans, values[name], strict=True)),
        **{k: round(v, 6) for k, v in figures[name].items() if v == v},
      }
      for name in ranked
    },
  }
  with replacing(folder / 'search.json') as path:
    path.write_text(json.dumps(content, indent=1) + '\n')
  head, *body = scored.table()
  table = [
    [*spans, *head[1:]],
    *([*(f'{x:.4f}' for x in values[n]), *cells] for n, *cells in body),
  ]
  with replacing(folder / 'search.csv') as path:
    path.write_text(tables.comma_separated(table))
  plots.write_search(
    {n: [values[k][i] for k in ranked] for i, n in enumerate(spans)},
    [figures[name]['success_auc'] for name in ranked],
    ranked.index(given),
    heading,
    folder / 'search.png',
  )
  tables.show(
    table[: _SHOWN + 1], heading, _remarks(scored, ranked, given, figures, best)
  )


def _remarks(scored, ranked, given, figures, best):
  text = f'given values: place {ranked.index(given) + 1} of {len(ranked)}'
  text += f', success {figures[given]["success_auc"]:.4f}'
  if given in scored.intervals and given != ranked[0]:
    low, high = scored.intervals[given]['behind']
    text += (
      f', behind the best by {low:.3f} to {high:.3f} (95%, over sequences)'
    )
  yield text
  yield f'best: --hparams={best}'
