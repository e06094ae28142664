"""The long-term experiment of VOT: precision, recall and F-score.

In each frame, a tracker returns its confidence that the target is visible. A
frame counts as reported if the confidence reaches a threshold. Precision is the
mean overlap over the reported frames. Recall is the sum of these overlaps,
divided by the number of frames in which the target is visible. All scores are
taken at the threshold with the best F-score. Result files are
`<tracker>/longterm/<sequence>/<sequence>_001.txt`; confidences are in
`<sequence>_001_confidence.value` in the same folder.

Source: Lukezic et al., 2018 (arXiv:1804.07056). Toolkits score differently, so
each toolkit has its own function here. The details of vot-toolkit were found by
scoring test results with vot-toolkit.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.datasets.layouts.vot import region_box
from acm_jax.evaluation import regions
from acm_jax.evaluation.benchmarks import Benchmark
from acm_jax.evaluation.experiment import (
  Analysis,
  Experiment,
  Files,
  Points,
  Runs,
  Truths,
)
from acm_jax.evaluation.outcome import Outcome, Scores
from acm_jax.evaluation.protocol import Next, Protocol, Start
from acm_jax.evaluation.runs import (
  INITIALISED,
  SKIPPED,
  Run,
  read_confidence,
  read_run,
  unbroken,
  write_confidence,
  write_run,
)
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.truth import Truth

# Maximum number of confidence thresholds, including the lowest and the highest,
# which are not taken from the confidences.
_RESOLUTION = 100

_FIGURES = {
  'precision': Figure('Pr'),
  'recall': Figure('Re'),
  'f_score': Figure('F'),
}


class LongTerm(Experiment):
  """Experiment with one pass, in which the tracker returns confidences."""

  title = 'long-term'
  subfolder = 'longterm'
  plots = (
    Points(
      name='precision_recall',
      rank='f_score',
      title='Precision and recall, with F-score',
      x='recall',
      y='precision',
      x_label='Recall',
      y_label='Precision',
    ),
  )

  def recognises(self, folder: Path) -> bool:
    """Returns whether the folder has `longterm/`."""
    return (folder / self.subfolder).is_dir()

  def protocol(self, sequence: sequences.Sequence, truth: Truth) -> Protocol:
    """Yields requests to track from the first frame to the last."""
    yield Start(0, region_box(truth.region_at(0)))
    boxes, confidence = [np.zeros(0)], [np.nan]
    for _ in range(1, truth.frames):
      answer = yield Next()
      boxes.append(answer.box_xywh)
      confidence.append(answer.score)
    return [unbroken(boxes, np.array(confidence))]

  def files(
    self, folder: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> dict[Path, int]:
    """Returns a dictionary from result files to their numbers of rows.

    The files are one of regions and one of confidences. Both have one row per
    frame.
    """
    path = folder / self.subfolder / name / f'{name}_001.txt'
    return {path: truth.frames, _confidence_path(path): truth.frames}

  def read(
    self, path: Path, name: str, truth: Truth, benchmark: Benchmark
  ) -> Run:
    """Reads a file of regions, and the file of confidences next to it.

    In the file of regions, the first row is the code for a start, 1. Every
    other row is a region. The code 0, or a region of NaN, means that the
    tracker found no target.
    """
    run = read_run(path, (SKIPPED, INITIALISED), truth.frames)
    file = _confidence_path(path)
    confidence = read_confidence(file)
    if len(confidence) != truth.frames:
      raise ValueError(
        f'{file}: {len(confidence)} rows for {truth.frames} annotated frames; '
        'a run must be complete'
      )
    return run._replace(confidence=confidence)

  def read_all(
    self, files: Files, truths: Truths, benchmark: Benchmark
  ) -> dict[str, list[Run]]:
    """Reads all files of a tracker; each sequence must have only one run."""
    for first, *others in files.values():
      if others:
        raise ValueError(
          f'{others[0]}: a second result file of one sequence, next to '
          f'{first.name}; remove one of the two files'
        )
    return super().read_all(files, truths, benchmark)

  def write(
    self, folder: Path, name: str, runs: Sequence[Run], benchmark: Benchmark
  ) -> None:
    """Writes the file of confidences, then the file of regions.

    In this order, a file of regions never exists without its confidences.
    """
    (run,) = runs
    path = folder / self.subfolder / name / f'{name}_001.txt'
    path.parent.mkdir(parents=True, exist_ok=True)
    write_confidence(_confidence_path(path), run.confidence)
    write_run(path, run)

  def analysis(self, benchmark: Benchmark, name: str) -> Analysis:
    """Returns the scoring function and the figures of a scoring protocol.

    `name` must be 'pysot' or 'vot_toolkit'.
    """
    score = self.chosen({'pysot': pysot, 'vot_toolkit': vot_toolkit}, name)
    return Analysis(score, _FIGURES, 'f_score', needs_sizes=True)


def _confidence_path(path: Path) -> Path:
  return path.with_name(f'{path.stem}_confidence.value')


def pysot(runs: Runs, truths: Truths) -> Outcome:
  """Scores runs as pysot does.

  Raises:
    ValueError: The runs have fewer than 98 confidences in all. pysot takes 98
      thresholds from the confidences, and adds the smallest positive float and
      infinity.
  """
  known = np.sort(_confidences(runs, missing=np.nan))
  known = known[~np.isnan(known)]
  count = _RESOLUTION - 2
  if len(known) < count:
    raise ValueError(
      f'`results`: only {len(known)} confidences; pysot needs at least {count} '
      'for an F-score, so set `protocol` to vot_toolkit'
    )
  delta = len(known) // count
  indices = np.linspace(delta - 1, len(known) - delta, count)
  thresholds = known[np.floor(indices + 0.5).astype(int)]
  # At the lowest threshold, all frames with a positive confidence are reported.
  smallest = np.nextafter(0.0, 1.0)
  thresholds = [smallest, *thresholds, np.inf]
  return _scores(
    runs,
    truths,
    thresholds,
    regions.pysot_overlap,
    regions.pysot_overlap_alone,
  )


def vot_toolkit(runs: Runs, truths: Truths) -> Outcome:
  """Scores runs as vot-toolkit does.

  If neither the ground truth nor the result has a region in a frame, the
  overlap is 1, which also counts in recall; see
  `regions.vot_toolkit_overlap_alone`.
  """
  known = np.sort(_confidences(runs, missing=0.0))[::-1]
  count = _RESOLUTION - 2
  if len(known) > count:
    delta = len(known) // count
    indices = np.linspace(delta, len(known) - delta, count)
    known = known[np.round(indices).astype(int)]
  thresholds = [np.inf, *known, -np.inf]
  return _scores(
    runs,
    truths,
    thresholds,
    regions.vot_toolkit_overlap,
    regions.vot_toolkit_overlap_alone,
  )


def _confidences(runs, missing):
  together = np.concatenate([run.confidence for (run,) in runs.values()])
  return np.where(np.isnan(together), missing, together)


def _scores(runs, truths, thresholds, overlap, overlap_alone):
  curves = np.stack(
    [
      _curves(
        run.confidence,
        truths[name].visible,
        regions.overlaps(run, truths[name], overlap, overlap_alone),
        np.array(thresholds),
      )
      for name, (run,) in runs.items()
    ]
  )

  def redraw(drawn):
    means = np.tensordot(drawn, curves, 1) / drawn.sum(axis=1)[:, None, None]
    precision, recall = means.swapaxes(0, 1)
    return _f_scores(precision, recall).max(axis=1)

  sequences = dict(zip(runs, map(_best, curves), strict=True))
  return Outcome(_best(curves.mean(axis=0)), sequences, redraw)


def _curves(
  confidence, visible, overlaps, thresholds
) -> Float[np.ndarray, '2 t']:
  """Returns precision and recall at each threshold."""
  confidence = np.nan_to_num(confidence, nan=0.0)
  reported = confidence >= thresholds[:, None]
  sums, counts = reported @ overlaps, reported.sum(axis=1)
  # Precision is defined as 1 if no frame is reported.
  precision = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
  return np.stack([precision, sums / max(visible.sum(), 1)])


def _best(curves) -> Scores:
  """Returns the scores at the threshold with the best F-score."""
  precision, recall = curves
  f_scores = _f_scores(precision, recall)
  best = int(np.argmax(f_scores))
  return Scores(
    {
      'precision': float(precision[best]),
      'recall': float(recall[best]),
      'f_score': float(f_scores[best]),
    }
  )


def _f_scores(precision, recall):
  both = precision + recall
  return 2 * precision * recall / np.where(both > 0, both, 1.0)
