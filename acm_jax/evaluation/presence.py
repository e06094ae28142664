"""Scores of a tracker's reports that the target is lost, and their files.

In each frame, a tracker reports the target as present or as lost. The reports
are scored on sequences with hidden frames, which are frames in which the target
is labelled absent or has no box:

* presence F1: a report of presence is right if the target is visible and the
  overlap of the boxes is at least 0.5. Precision is the fraction of right
  reports among the reports of presence. Recall is the number of right reports,
  divided by the number of visible frames. The F1 is their harmonic mean.
* absence F1: the F1 of the reports of loss, which are right in hidden frames.

The first frame is not scored. Over several sequences, the figures are combined
like the other scores of the scoring protocol (`toolkits.Toolkit.total`).

Source: the definition of a right report is that of OxUvA (Valmadre et al.,
2018, arXiv:1803.09502), which combines rates of presence and absence by a
geometric mean instead.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from acm_jax.datasets.sequences import read_rows
from acm_jax.evaluation import metrics
from acm_jax.evaluation.results import save
from acm_jax.evaluation.runs import Run
from acm_jax.evaluation.tables import Figure
from acm_jax.evaluation.truth import Truth

FIGURES = {
  'presence_f1': Figure('presence F1'),
  'absence_f1': Figure('absence F1'),
}
# Number of quantiles of the scores that `calibrate` tries as thresholds.
_QUANTILES = 200


def hidden(truth: Truth) -> Bool[np.ndarray, 'n']:
  """Returns, for each frame, whether the target is absent or has no area.

  The value of the first frame, in which trackers start, is False.
  """
  boxes = truth.box_xywh
  seen = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
  frames = truth.absent | ~seen
  frames[0] = False
  return frames


def figures(run: Run, truth: Truth) -> dict[str, float]:
  """Computes presence F1 and absence F1 of one sequence.

  Both are NaN if no frame is hidden, or if the run has no reports.
  """
  absent = hidden(truth)
  if run.lost is None or not absent.any():
    return dict.fromkeys(FIGURES, np.nan)
  lost = np.zeros(truth.frames, bool)
  lost[: len(run.lost)] = run.lost[: truth.frames]
  visible, present = ~absent[1:], ~lost[1:]
  right = _located(run, truth)[1:] & visible & present
  return {
    'presence_f1': 2 * right.sum() / (visible.sum() + present.sum()),
    'absence_f1': 2 * (absent & lost).sum() / (absent.sum() + lost.sum()),
  }


def _located(run: Run, truth: Truth) -> Bool[np.ndarray, 'n']:
  """Returns, for each frame, whether the overlap of the boxes is 0.5 or more.

  A frame beyond the last row of the run is False.
  """
  boxes = np.full((truth.frames, 4), np.nan)
  boxes[: len(run.region)] = run.region[: truth.frames]
  return metrics.overlaps(boxes, truth.box_xywh) >= 0.5


def with_hidden(truths: Mapping[str, Truth]) -> list[str]:
  """Returns the names of the sequences with hidden frames.

  Raises:
    ValueError: No sequence has a hidden frame.
  """
  names = [name for name, truth in truths.items() if hidden(truth).any()]
  if not names:
    raise ValueError(
      'no sequence has a frame in which the target is absent; choose sequences '
      'with occlusions, such as those of `acm-jax synthetic --hides 3`'
    )
  return names


class Calibration(NamedTuple):
  """Threshold with the highest presence F1.

  Attributes:
    lost_score: Score below which the target is reported as lost.
    presence_f1: Mean presence F1 over the sequences with hidden frames.
    sequences: Number of these sequences.
  """

  lost_score: float
  presence_f1: float
  sequences: int


def calibrate(
  runs: Mapping[str, Run], truths: Mapping[str, Truth]
) -> Calibration:
  """Finds the threshold on the score with the highest mean presence F1.

  Args:
    runs: Run of each sequence, with confidences.
    truths: Ground truth of each sequence of `runs`.

  Raises:
    ValueError: No sequence has a hidden frame.
  """
  usable = {name: runs[name] for name in with_hidden(truths)}
  scores = np.concatenate([run.confidence[1:] for run in usable.values()])
  quantiles = np.quantile(scores, np.linspace(0, 1, _QUANTILES))
  thresholds = np.unique(quantiles.round(4))
  by_sequence = []
  for name, run in usable.items():
    visible = ~hidden(truths[name])[1:]
    right = _located(run, truths[name])[1:] & visible
    present = run.confidence[1:] >= thresholds[:, None]
    by_sequence.append(
      2 * (present & right).sum(axis=1) / (visible.sum() + present.sum(axis=1))
    )
  means = np.mean(by_sequence, axis=0)
  best = int(np.argmax(means))
  return Calibration(float(thresholds[best]), float(means[best]), len(usable))


def read(
  path: Path, rows: int
) -> tuple[Float[np.ndarray, '{rows}'], Bool[np.ndarray, '{rows}']] | None:
  """Reads the score and the report of each frame; None if there is no file.

  Raises:
    OSError: The file cannot be read.
    ValueError: A row is not a score and 0 or 1, or the number of rows is wrong.
  """
  if not path.is_file():
    return None
  values = np.array(read_rows(path, (2,)))
  if len(values) != rows:
    raise ValueError(
      f'{path}: {len(values)} rows, but the file of boxes has {rows}; evaluate '
      'the sequence again'
    )
  score, lost = values.T
  if not np.isin(lost, (0, 1)).all():
    row = int(np.argmin(np.isin(lost, (0, 1)))) + 1
    raise ValueError(
      f'{path} row {row}: the second number must be 0 (present) or 1 (lost), '
      f'not {lost[row - 1]:g}'
    )
  return score, lost == 1


def write(path: Path, run: Run) -> None:
  """Writes a row `score,lost` per frame; `lost` is 0 or 1."""
  save(path, np.stack([run.confidence, run.lost], axis=1), ('%.6f', '%d'))
