"""VOT's long-term protocol: precision and recall by confidence, and F-score.

A tracker says in each frame how sure it is that the target is there. At each
threshold of that confidence, precision is the mean overlap of the frames in
which it says so, and recall the overlap as a share of the frames in which the
target is there. The F-score is that of the best threshold.

Source: Lukezic et al., 2018 (arXiv:1804.07056). The toolkits differ, so that
each has a function; vot-toolkit's details were found by feeding it results.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.evaluation import regions
from acm_jax.evaluation.outcome import Outcome
from acm_jax.evaluation.reset import Truth

# How many thresholds there are.
_RESOLUTION = 100


class Result(NamedTuple):
  """What a tracker found in a sequence.

  Attributes:
    region: In each frame, empty where it found nothing; the first, in which it
      was given the target, means nothing.
    confidence: That it is the target; NaN counts as 0.
  """

  region: tuple[np.ndarray, ...]
  confidence: Float[np.ndarray, 'n']


class Scores(NamedTuple):
  """Scores of one sequence, at its own best threshold, or of all.

  Attributes:
    precision: Mean overlap where the tracker says the target is there.
    recall: Overlap as a share of the frames in which it is.
    f_score: Their harmonic mean.
  """

  precision: float
  recall: float
  f_score: float

  def figures(self) -> dict[str, float]:
    """The numbers that reports print, by their names in scores.json."""
    return {name: float(value) for name, value in self._asdict().items()}


def pysot(
  results: Mapping[str, Result], truths: Mapping[str, Truth]
) -> Outcome:
  """Scores as pysot's analysis has them, of all sequences and of each.

  Raises:
    ValueError: Fewer frames have a confidence than there are thresholds.
  """
  known = np.sort(_confidences(results, missing=np.nan))
  known = known[~np.isnan(known)]
  count = _RESOLUTION - 2
  if len(known) < count:
    raise ValueError(
      f'{len(known)} confidences: pysot has no F-score of fewer than {count}; '
      'see vot_toolkit'
    )
  delta = len(known) // count
  places = np.linspace(delta - 1, len(known) - delta, count)
  thresholds = known[np.floor(places + 0.5).astype(int)]
  # Below all of them are the frames of any confidence at all.
  smallest = np.nextafter(0.0, 1.0)
  return _scores(
    results, truths, [smallest, *thresholds, np.inf], regions.pysot_overlap
  )


def vot_toolkit(
  results: Mapping[str, Result], truths: Mapping[str, Truth]
) -> Outcome:
  """Scores as vot-toolkit has them, of all sequences and of each."""
  known = np.sort(_confidences(results, missing=0.0))[::-1]
  count = _RESOLUTION - 2
  if len(known) > count:
    delta = len(known) // count
    places = np.linspace(delta, len(known) - delta, count)
    known = known[np.round(places).astype(int)]
  return _scores(
    results, truths, [np.inf, *known, -np.inf], regions.vot_toolkit_overlap
  )


def _confidences(results, missing):
  together = np.concatenate([each.confidence for each in results.values()])
  return np.where(np.isnan(together), missing, together)


def _scores(results, truths, thresholds, overlap):
  curves = np.stack(
    [
      _curves(result, truths[name], np.array(thresholds), overlap)
      for name, result in results.items()
    ]
  )

  def redraw(drawn):
    means = np.tensordot(drawn, curves, 1) / drawn.sum(axis=1)[:, None, None]
    return _f_scores(*means.swapaxes(0, 1)).max(axis=1)

  sequences = dict(zip(results, map(_best, curves), strict=True))
  return Outcome(_best(curves.mean(axis=0)), sequences, redraw)


def _curves(result, truth, thresholds, overlap) -> Float[np.ndarray, '2 t']:
  """Precision and recall at each threshold."""
  there = truth.there
  overlaps = np.zeros(len(there))
  for frame in np.flatnonzero(there[1:]) + 1:
    if len(result.region[frame]):
      overlaps[frame] = overlap(
        result.region[frame], truth.region[frame], truth.bounds
      )
  confidence = np.nan_to_num(result.confidence, nan=0.0)
  said = confidence >= thresholds[:, None]
  sums, counts = said @ overlaps, said.sum(axis=1)
  # Who says nothing says nothing wrong.
  precision = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
  return np.stack([precision, sums / max(there.sum(), 1)])


def _best(curves) -> Scores:
  f_scores = _f_scores(*curves)
  best = int(np.argmax(f_scores))
  return Scores(*map(float, curves[:, best]), float(f_scores[best]))


def _f_scores(precision, recall):
  both = precision + recall
  return 2 * precision * recall / np.where(both > 0, both, 1.0)
