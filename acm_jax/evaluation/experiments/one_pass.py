"""One pass: from the first box to the end, as most benchmarks have it.

Result files are `<tracker>/<sequence>.txt`, or `<sequence>/<sequence>_001.txt`
for GOT-10k, a row x,y,w,h a frame, in the benchmark's own pixel base, for that
is how they are scored.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.evaluation import metrics, toolkits
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import (
  Analysis,
  Curve,
  Experiment,
  Runs,
  Truths,
)
from acm_jax.evaluation.outcome import Outcome
from acm_jax.evaluation.protocol import Next, Protocol, Start
from acm_jax.evaluation.results import read_boxes, save
from acm_jax.evaluation.runs import Run, boxes_alone
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.toolkits import Toolkit
from acm_jax.evaluation.truth import Truth


class OnePass(Experiment):
  """One pass over each sequence."""

  title = 'one pass'
  plots = (
    Curve(
      'success',
      'success_auc',
      'Success',
      'Overlap threshold',
      metrics.OVERLAP_THRESHOLDS,
    ),
    Curve(
      'precision',
      'precision_20',
      'Precision',
      'Centre distance threshold [px]',
      metrics.DISTANCE_THRESHOLDS,
    ),
    Curve(
      'normalized_precision',
      'normalized_precision_20',
      'Normalised precision',
      'Centre distance threshold [sides of the target]',
      metrics.NORMALIZED_THRESHOLDS,
    ),
  )
  for_all = tuple(toolkits.TOOLKITS)
  searchable = True

  def recognises(self, folder: Path) -> bool:
    """Whether there are text files in the folder itself."""
    return any(folder.glob('*.txt'))

  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Follows the first box to the end; the run has it as first region."""
    del truth
    answer = yield Start(0, sequence.box_xywh[0])
    boxes = [answer.box_xywh]
    for _ in range(1, len(sequence)):
      answer = yield Next()
      boxes.append(answer.box_xywh)
    return [boxes_alone(boxes)]

  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """One file of a row a frame."""
    return {result_path(folder, name, benchmark): truth.frames}

  def read(
    self, path: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Run:
    """Reads boxes, in the benchmark's own pixel base.

    A file may end early; it may go on behind the annotation where there are
    more images.
    """
    boxes = read_boxes(path)
    bad = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(bad):
      raise ValueError(
        f'{path} row {bad[0] + 1}: a box must be finite numbers; where a '
        'tracker has none, give the one before'
      )
    if len(boxes) > truth.frames and name not in benchmark.cut:
      raise ValueError(
        f'{path}: {len(boxes)} rows for {truth.frames} annotated frames: is it '
        'a result of these annotations, and are they whole?'
      )
    return boxes_alone(boxes, benchmark.first_pixel)

  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes the boxes in the form of the benchmark's toolkit."""
    rows = np.array(runs[0].region)
    rows[:, :2] += benchmark.first_pixel - runs[0].first_pixel
    fmt = f'%.{benchmark.decimals}f'
    save(result_path(folder, name, benchmark), rows, fmt)

  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """The analysis of a toolkit."""
    toolkit = toolkits.get(name, benchmark.name)
    headings = toolkits.HEADINGS | toolkit.headings
    return Analysis(
      functools.partial(_score, toolkit),
      {figure: Figure(heading) for figure, heading in headings.items()},
      'success_auc',
      toolkit.needs_sizes,
    )


def result_path(folder: Path, name: str, benchmark: Benchmark) -> Path:
  """The file of a sequence's only run among a tracker's results."""
  if benchmark.folder_each:
    return folder / name / f'{name}_001.txt'
  return folder / f'{name}.txt'


def _score(toolkit: Toolkit, runs: Runs, truths: Truths) -> Outcome:
  scores, short, long = {}, {}, {}
  for name, own in runs.items():
    truth = truths[name]
    each = [toolkit.score(_padded(run, truth.frames), truth) for run in own]
    scores[name] = toolkits.mean(each) if len(each) > 1 else each[0]
    rows = [len(run.region) for run in own]
    if min(rows) < truth.frames:
      short[name] = min(rows)
    if max(rows) > truth.frames:
      long[name] = max(rows)
  rated = list(scores.values())
  success = np.array([each['success_auc'] for each in rated])
  weights = np.array([toolkit.weight(each) for each in rated])
  # As in the total, sequences of which none is defined are left out.
  weights = np.where(np.isnan(success), 0.0, weights)
  sums = weights * np.nan_to_num(success)

  def redraw(drawn):
    counts = drawn @ weights
    return np.where(
      counts > 0, drawn @ sums / np.where(counts > 0, counts, 1), np.nan
    )

  return Outcome(toolkit.total(rated), scores, redraw, short, long)


def _padded(run: Run, frames: int) -> Float[np.ndarray, '{frames} 4']:
  """The boxes of a run, with NaN in the frames that it ends before."""
  boxes = run.region[:frames]
  return np.pad(
    boxes, ((0, frames - len(boxes)), (0, 0)), constant_values=np.nan
  )
