"""One pass: from the first box to the end, as most benchmarks have it.

Result files are `<tracker>/<sequence>.txt`, or `<sequence>/<sequence>_001.txt`
for GOT-10k, a row x,y,w,h a frame, in the benchmark's own pixel base, for that
is how they are scored.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from acm_jax.evaluation import metrics, toolkits
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import Analysis, Curve, Experiment
from acm_jax.evaluation.outcome import Outcome
from acm_jax.evaluation.protocol import Next, Protocol, Start
from acm_jax.evaluation.results import read_boxes, save
from acm_jax.evaluation.runs import Run, boxes_alone
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.toolkits import Toolkit
from acm_jax.evaluation.truth import Truth
from data_pipelines import sequences

_HEADINGS = {
  'success_auc': 'success',
  'precision_20': 'P@20',
  'normalized_precision_20': 'NP@0.2',
  'average_overlap': 'AO',
  'success_rate_50': 'SR@50',
  'success_rate_75': 'SR@75',
}


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

  def recognises(self, folder: Path) -> bool:
    """Whether there are text files outside of other experiments' folders."""
    return any(folder.glob('*.txt')) or not any(
      (folder / name).is_dir() for name in ('baseline', 'longterm')
    )

  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Follows the first box to the end; the run has it as first region."""
    del truth
    found = yield Start(0, sequence.box_xywh[0])
    boxes = [found.box_xywh]
    for _ in range(1, len(sequence)):
      found = yield Next()
      boxes.append(found.box_xywh)
    return [boxes_alone(boxes)]

  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """One file of a row a frame."""
    return {result_path(folder, name, benchmark): truth.frames}

  def read(self, path: Path, truth: Truth, benchmark: Benchmark) -> Run:
    """Reads boxes; there may be fewer than frames."""
    boxes = read_boxes(path)
    boxes[:, :2] -= benchmark.first_pixel
    return boxes_alone(list(boxes))

  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes the boxes in the form of the benchmark's toolkit."""
    rows = np.stack(runs[0].region).astype(np.float64)
    rows[:, :2] += benchmark.first_pixel
    fmt = f'%.{benchmark.decimals}f'
    save(result_path(folder, name, benchmark), rows, fmt)

  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """The analysis of a toolkit."""
    toolkit = toolkits.get(name, benchmark.name)

    def rate(files, truths):
      _check_known(benchmark, truths)
      return _rate(toolkit, benchmark, files, truths)

    figures = {
      name: Figure(toolkit.headings.get(name, heading))
      for name, heading in _HEADINGS.items()
    }
    return Analysis(rate, figures, 'success_auc', toolkit.needs_sizes)


def result_path(folder: Path, name: str, benchmark: Benchmark) -> Path:
  """The file of a sequence's only run among a tracker's results."""
  if benchmark.folder_each:
    return folder / name / f'{name}_001.txt'
  return folder / f'{name}.txt'


def read_padded(
  path: Path, frames: int, cut: bool = False
) -> tuple[Float[np.ndarray, '{frames} 4'], int]:
  """Reads one result, with rows of NaN for the frames that it ends before.

  Args:
    path: The result file.
    frames: Length of the sequence's annotation.
    cut: Whether rows behind that are left out rather than refused.

  Returns:
    A box for each frame, and how many rows the file has.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is not four finite numbers, or there are more rows than
      frames; the message names file and row.
  """
  boxes = read_boxes(path)
  bad = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
  if len(bad):
    raise ValueError(
      f'{path} row {bad[0] + 1}: a box must be finite numbers; where a tracker '
      'has none, give the one before'
    )
  rows = len(boxes)
  if rows > frames and not cut:
    raise ValueError(
      f'{path}: {rows} rows for {frames} annotated frames: is it a result of '
      'these annotations, and are they whole?'
    )
  padding = np.full((max(frames - rows, 0), 4), np.nan)
  return np.concatenate([boxes[:frames], padding]), rows


def _check_known(benchmark, truths) -> None:
  known = [np.isfinite(t.box_xywh).all(axis=1).sum() for t in truths.values()]
  if benchmark.hidden and max(known) <= 1:
    # The first boxes are public.
    raise ValueError(
      f'{benchmark.name}: only its server has the annotations; --check '
      'ARCHIVE.zip makes sure that it can read results'
    )


def _rate(toolkit: Toolkit, benchmark, files, truths) -> Outcome:
  scores, short, long = {}, {}, {}
  for name, runs in files.items():
    truth, own = truths[name], []
    for path in runs:
      cut = name in benchmark.cut
      boxes, rows = read_padded(path, truth.frames, cut)
      own.append(toolkit.rate(boxes, truth))
      if rows != truth.frames:
        (short if rows < truth.frames else long)[name] = rows
    scores[name] = toolkits.mean(own) if len(own) > 1 else own[0]
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
