"""The one-pass experiment: a tracker starts on the first box and runs once.

Result files are `<tracker>/<sequence>.txt`, except in GOT-10k, where they are
`<tracker>/<sequence>/<sequence>_001.txt`. Each row is the box x,y,w,h in one
frame. Boxes are written and scored in the benchmark's own coordinates, 0-based
or 1-based. Scores and reports that the target is lost are in files of the same
names in `<tracker>/presence/`; results of other software need no such files.
"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.evaluation import metrics, outcome, presence, toolkits
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import (
  Analysis,
  Curve,
  Experiment,
  Runs,
  Truths,
)
from acm_jax.evaluation.outcome import Outcome, Scores
from acm_jax.evaluation.protocol import Answer, Next, Protocol, Start
from acm_jax.evaluation.results import read_boxes, save
from acm_jax.evaluation.runs import Run, boxes_alone
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.toolkits import Toolkit
from acm_jax.evaluation.truth import Truth
from acm_jax.host import listing

# Scoring protocol with the scores of pysot that ranks by presence F1.
PRESENCE = 'presence'
# Toolkit that computes the scores of each scoring protocol.
_TOOLKITS = {name: name for name in toolkits.TOOLKITS} | {PRESENCE: 'pysot'}


class OnePass(Experiment):
  """Experiment with one pass over each sequence."""

  title = 'one-pass'
  plots = (
    Curve(
      name='success',
      rank='success_auc',
      title='Success',
      axis='Overlap threshold',
      thresholds=metrics.OVERLAP_THRESHOLDS,
    ),
    Curve(
      name='precision',
      rank='precision_20',
      title='Precision',
      axis='Centre distance threshold [px]',
      thresholds=metrics.DISTANCE_THRESHOLDS,
    ),
    Curve(
      name='normalized_precision',
      rank='normalized_precision_20',
      title='Normalised precision',
      axis='Normalised centre distance threshold',
      thresholds=metrics.NORMALIZED_THRESHOLDS,
    ),
  )
  for_all = tuple(_TOOLKITS)
  searchable = True

  def recognises(self, folder: Path) -> bool:
    """Returns whether the folder itself contains text files."""
    return bool(listing.find(folder, '*.txt'))

  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Yields requests to start on the first box, and to track in later frames.

    The run includes the box of the first frame.
    """
    del truth
    answer = yield Start(0, sequence.box_xywh[0])
    answers = [answer]
    for _ in range(1, len(sequence)):
      answer = yield Next()
      answers.append(answer)
    return [of_answers(answers)]

  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """Returns a dictionary from result files to their numbers of rows.

    The files are that of boxes and that of presence. Both have one row per
    frame.
    """
    path = result_path(folder, name, benchmark)
    both = path, _presence_path(path, benchmark)
    return dict.fromkeys(both, truth.frames)

  def read(
    self, path: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Run:
    """Reads boxes in the benchmark's own coordinates, 0-based or 1-based.

    A file may have fewer rows than annotated frames. It may have more rows only
    if the sequence has more images than annotated frames (`Benchmark.cut`).
    """
    boxes = read_boxes(path)
    finite = np.isfinite(boxes).all(axis=1)
    if not finite.all():
      raise ValueError(
        f'{path} row {finite.argmin() + 1}: a box must be finite numbers; '
        'repeat the previous box where the tracker finds no target'
      )
    if len(boxes) > truth.frames and name not in benchmark.cut:
      raise ValueError(
        f'{path}: {len(boxes)} rows for {truth.frames} annotated frames; check '
        'that the annotations are complete and of the same benchmark'
      )
    run = boxes_alone(boxes, benchmark.first_pixel)
    reported = presence.read(_presence_path(path, benchmark), len(boxes))
    if reported is None:
      return run
    confidence, lost = reported
    return run._replace(confidence=confidence, lost=lost)

  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes the boxes in the form that the benchmark's toolkit reads.

    The file of presence is written first, because a sequence with boxes counts
    as done.
    """
    (run,) = runs
    rows = np.array(run.region)
    rows[:, :2] += benchmark.first_pixel - run.first_pixel
    fmt = f'%.{benchmark.decimals}f'
    path = result_path(folder, name, benchmark)
    if run.lost is not None:
      presence.write(_presence_path(path, benchmark), run)
    save(path, rows, fmt)

  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """Returns the scoring function and the figures of a scoring protocol.

    `name` must be a key of `toolkits.TOOLKITS`, or `PRESENCE`.
    """
    toolkit = toolkits.get(self.chosen(_TOOLKITS, name), benchmark.name)
    headings = toolkits.HEADINGS | toolkit.headings
    figures = {figure: Figure(heading) for figure, heading in headings.items()}
    rank = 'presence_f1' if name == PRESENCE else 'success_auc'
    return Analysis(
      functools.partial(_score, toolkit, rank),
      figures | presence.FIGURES,
      rank,
      toolkit.needs_sizes,
    )


def of_answers(answers: Sequence[Answer]) -> Run:
  """Creates a run from the answers for all frames, including the first."""
  run = boxes_alone([answer.box_xywh for answer in answers])
  return run._replace(
    confidence=np.array([answer.score for answer in answers], np.float64),
    lost=np.array([answer.lost for answer in answers], bool),
  )


def result_path(folder: Path, name: str, benchmark: Benchmark) -> Path:
  """Returns the path of a sequence's result file in a tracker's folder."""
  if benchmark.folder_each:
    return folder / name / f'{name}_001.txt'
  return folder / f'{name}.txt'


def _presence_path(path: Path, benchmark: Benchmark) -> Path:
  """Returns the path of the file of presence that belongs to a result file."""
  root = path.parent.parent if benchmark.folder_each else path.parent
  return root / 'presence' / path.name


def _score(toolkit: Toolkit, rank: str, runs: Runs, truths: Truths) -> Outcome:
  if rank in presence.FIGURES and not any(
    presence.hidden(truths[name]).any() for name in runs
  ):
    raise ValueError(
      f'`protocol`={PRESENCE}: in no sequence is the target labelled absent; '
      'choose another protocol'
    )
  scores, short, long = {}, {}, {}
  for name, own in runs.items():
    truth = truths[name]
    each = [_one_run(toolkit, run, truth) for run in own]
    scores[name] = outcome.mean(each) if len(each) > 1 else each[0]
    rows = [len(run.region) for run in own]
    if min(rows) < truth.frames:
      short[name] = min(rows)
    if max(rows) > truth.frames:
      long[name] = max(rows)
  by_sequence = list(scores.values())
  ranked = np.array([each[rank] for each in by_sequence])
  weights = np.array([toolkit.weight(each) for each in by_sequence])
  # Sequences with an undefined figure are left out, as in the total.
  weights = np.where(np.isnan(ranked), 0.0, weights)
  sums = weights * np.nan_to_num(ranked)

  def redraw(drawn):
    weight = drawn @ weights
    return np.where(
      weight > 0, drawn @ sums / np.where(weight > 0, weight, 1), np.nan
    )

  return Outcome(toolkit.total(by_sequence), scores, redraw, short, long)


def _one_run(toolkit: Toolkit, run: Run, truth: Truth) -> Scores:
  scores = toolkit.score(_padded(run, truth.frames), truth)
  figures = {**scores.figures, **presence.figures(run, truth)}
  return dataclasses.replace(scores, figures=figures)


def _padded(run: Run, frames: int) -> Float[np.ndarray, '{frames} 4']:
  """Returns the first `frames` boxes of a run; missing boxes are NaN."""
  boxes = run.region[:frames]
  return np.pad(
    boxes, ((0, frames - len(boxes)), (0, 0)), constant_values=np.nan
  )
