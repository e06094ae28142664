"""Search for hyper-parameters. Many candidates track a sequence at once.

A candidate is one setting of the hyper-parameters. The first candidate has the
model's own values. The others are the first points of a scrambled Halton
sequence; with the same seed, a larger budget adds candidates and keeps the
previous ones. Each candidate has a folder of result files. The name of the
folder states the candidate's values in the format of `acm-jax evaluate
--hparams`. Existing results are not computed again. `acm-jax score` can compare
these folders as if each were a different tracker.
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
from acm_jax.evaluation.experiments.one_pass import of_answers
from acm_jax.evaluation.runs import Run
from acm_jax.host import text_files
from acm_jax.host.extras import extra
from acm_jax.host.progress import Progress
from acm_jax.host.staging import replacing
from acm_jax.running.evaluate import Task
from acm_jax.running.scheduler import answer_of
from acm_jax.tracking import video_tracker
from acm_jax.tracking.contract import Hparams
from acm_jax.tracking.model import Model, hparams_of
from acm_jax.tracking.programs import Programs

# Number of candidates that are printed; search.csv lists all candidates.
_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Budget:
  """Extent of a search.

  Attributes:
    candidates: Number of candidates, including the model's own values.
    seed: Random seed for sampling candidates.
    lanes: Number of candidates that track a sequence at once.
  """

  candidates: int = 64
  seed: int = 0
  lanes: int = 16

  def __post_init__(self):
    if self.candidates < 1:
      raise ValueError(f'`budget`={self.candidates}: give at least 1')
    if self.lanes < 1:
      raise ValueError(f'`lanes`={self.lanes}: give at least 1')
    if self.seed < 0:
      raise ValueError(f'`seed`={self.seed}: give at least 0')


def candidates(model: Model, budget: Budget) -> dict[str, Hparams]:
  """Returns the hyper-parameters of each candidate; keys are candidates' names.

  The first candidate has the model's own hyper-parameters. The other candidates
  are sampled within the tracker's `hparam_spans`. Names are like
  `penalty_k=0.1,window_influence=0.4,size_lr=0.3`.
  """
  spans = model.tracker.hparam_spans
  halton = qmc.Halton(len(spans), rng=budget.seed)
  low, high = zip(*spans.values(), strict=True)
  points = qmc.scale(halton.random(budget.candidates), low, high)
  # Values are rounded so that the name of a candidate states them exactly.
  tried = [
    model.hparams.replace(**dict(zip(spans, map(float, row), strict=True)))
    for row in points[:-1].round(4)
  ]
  return {
    ','.join(f'{k}={float(getattr(each, k))!r}' for k in spans): each
    for each in (model.hparams, *tried)
  }


def search(model: Model, task: Task, out: Path, budget: Budget) -> None:
  """Tracks with many candidates, and ranks the candidates by success (AUC).

  Args:
    model: Tracker to tune. Its hyper-parameters are the first candidate. The
      other candidates differ from the first only in the hyper-parameters that
      the tracker's `hparam_spans` names.
    task: Sequences to track.
    out: Output folder. Its subfolder `<benchmark>/<tracker>.search` receives a
      folder of results for each candidate, search.json, search.csv and
      search.png.
    budget: Extent of the search.

  Raises:
    ValueError: Hyper-parameters cannot be searched on the benchmark, a folder
      holds results of another tracker, or a sequence cannot be tracked.
  """
  benchmark, sequences = task.benchmark, task.sequences
  if benchmark.hidden or not task.experiment.searchable:
    reason = (
      'only its server has the annotations'
      if benchmark.hidden
      else "a search supports one-pass evaluation but not VOT's protocols"
    )
    raise ValueError(
      f'{benchmark.name}: hyper-parameters cannot be searched on this '
      f'benchmark, because {reason}; choose another `benchmark`, such as '
      'got10k_val'
    )
  if not benchmark.validation:
    logging.warning(
      '%s is a test set, on which tuned hyper-parameters get unfairly high '
      'scores; search on a validation set such as got10k_val',
      benchmark.name,
    )
  tried = candidates(model, budget)
  name = f'{model.name}.search'
  folder = out / benchmark.name / name
  about = {
    each: model.about() | {'hparams': hparams_of(values)}
    for each, values in tried.items()
  }
  for each, description in about.items():
    owner.check(folder / each, description)
  lanes = min(budget.lanes, len(tried))
  total, done = len(tried) * sum(map(len, sequences)), 0
  truths, programs = task.truths, Programs()
  with Progress(name, total, 'boxes', clock=programs.clock) as shown:
    for begin in range(0, len(tried), lanes):
      group = list(tried)[begin : begin + lanes]
      for sequence in sequences:
        truth = truths[sequence.name]
        to_do = [
          each
          for each in group
          if not task.experiment.is_done(
            folder / each, sequence.name, truth, benchmark
          )
        ]
        if to_do:
          values = [tried[each] for each in to_do]
          runs = _follow(model, values, sequence, programs)
          for each, run in zip(to_do, runs, strict=True):
            owner.mark(folder / each, about[each])
            task.experiment.write(
              folder / each, sequence.name, [run], benchmark
            )
        done += len(group) * len(sequence)
        shown.update(done)
  scored = task.score({each: folder / each for each in tried})
  _write(scored, tried, model.tracker.hparam_spans, budget, folder)


def _follow(model, values, sequence, programs) -> list[Run]:
  """Tracks a sequence with several candidates; reads each frame only once."""
  stacked = jax.tree.map(lambda *x: np.array(x, np.float32), *values)
  boxes = np.tile(sequence.box_xywh[:1], (len(values), 1))
  frames = read_ahead(sequence)
  try:
    answers = [
      [answer_of(tracked) for tracked in of_frame]
      for of_frame in video_tracker.follow(
        model, frames, boxes, programs, hparams=stacked
      )
    ]
  except ValueError as error:
    raise ValueError(f'{sequence.name}: {error}') from error
  return [of_answers(each) for each in zip(*answers, strict=True)]


def _write(
  scored: report.Report,
  tried: Mapping[str, Hparams],
  spans: Mapping[str, tuple[float, float]],
  budget: Budget,
  folder: Path,
) -> None:
  """Writes all candidates and prints the best ones, ranked by success (AUC)."""
  figures = scored.figures()
  ranked = tables.ranked(figures, scored.analysis.rank)
  own = next(iter(tried))
  fields = dataclasses.fields(Hparams)
  fixed = {
    f.name: float(getattr(tried[own], f.name))
    for f in fields
    if f.name not in spans
  }
  # Append the hyper-parameters that are not searched, unless they are 0.
  best = ','.join([ranked[0], *(f'{k}={v!r}' for k, v in fixed.items() if v)])
  values = {k: [float(getattr(tried[k], n)) for n in spans] for k in ranked}
  heading = f'{scored.heading()}, {len(tried)} candidates, seed {budget.seed}'
  content = {
    'benchmark': scored.benchmark,
    'protocol': scored.protocol,
    'coverage': scored.coverage(),
    'seed': budget.seed,
    'spans': dict(spans),
    'given': own,
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
    text_files.write(path, json.dumps(content, indent=1) + '\n')
  (_, *headings), *rows = scored.table()
  table = [
    [*spans, *headings],
    *([*(f'{x:.4f}' for x in values[n]), *cells] for n, *cells in rows),
  ]
  with replacing(folder / 'search.csv') as path:
    text_files.write(path, tables.comma_separated(table))
  plot = folder / 'search.png'
  with extra(plot):
    plots.write_search(
      {n: [values[k][i] for k in ranked] for i, n in enumerate(spans)},
      [figures[name]['success_auc'] for name in ranked],
      ranked.index(own),
      heading,
      plot,
    )
  tables.show(
    table[: _SHOWN + 1], heading, _remarks(scored, ranked, own, figures, best)
  )


def _remarks(scored, ranked, own, figures, best):
  rank = ranked.index(own) + 1
  text = f'values of the checkpoint: rank {rank} of {len(ranked)}'
  text += f', success {figures[own]["success_auc"]:.4f}'
  if own in scored.intervals and own != ranked[0]:
    low, high = scored.intervals[own]['behind']
    text += (
      f', {low:.3f} to {high:.3f} below the best (95% interval over sequences)'
    )
  yield text
  yield f'best: --hparams={best}'
