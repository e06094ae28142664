"""Protocols: which frames count, and how, in the scores of a sequence."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from acm_jax.evaluation import metrics
from acm_jax.geometry import boxes


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
  """Scores of one sequence, or their mean over many; fractions of 1.

  Attributes:
    success: Share of frames above each of `metrics.OVERLAP_THRESHOLDS`.
    precision: Share of frames within `metrics.DISTANCE_THRESHOLDS`.
    normalized_precision: Share within `metrics.NORMALIZED_THRESHOLDS`.
    average_overlap: Mean overlap without frame 0 and without frames whose
      target is absent or has no valid box; NaN where no frame is left.
    success_rate_50: Share of the same frames with an overlap above 0.5.
    success_rate_75: Share of the same frames with an overlap above 0.75.
  """

  success: Float[np.ndarray, '21']
  precision: Float[np.ndarray, '51']
  normalized_precision: Float[np.ndarray, '51']
  average_overlap: float
  success_rate_50: float
  success_rate_75: float

  def figures(self) -> dict[str, float]:
    """The numbers that reports print, by their names in scores.json."""
    return {
      'success_auc': float(self.success.mean()),
      'precision_20': float(self.precision[20]),
      'normalized_precision_20': float(self.normalized_precision[20]),
      'average_overlap': self.average_overlap,
      'success_rate_50': self.success_rate_50,
      'success_rate_75': self.success_rate_75,
    }


def mean(scores: Sequence[Scores]) -> Scores:
  """Mean over sequences, each with the same weight whatever its length.

  Sequences in which a figure is NaN are left out of that figure.
  """

  def average(name):
    stack = np.stack([getattr(score, name) for score in scores])
    stack = stack[~np.isnan(stack.reshape(len(stack), -1)).any(axis=1)]
    value = stack.mean(axis=0) if len(stack) else np.nan
    return value if np.ndim(value) else float(value)

  return Scores(**{f.name: average(f.name) for f in dataclasses.fields(Scores)})


def pysot(
  predicted_xywh: Float[np.ndarray, 'n 4'],
  true_xywh: Float[np.ndarray, 'n 4'],
  absent: Bool[np.ndarray, 'n'],
) -> Scores:
  """One-pass scores as pysot defines them.

  The denominator is always the number of frames. Against the true box of a
  frame that is not labelled absent:

  * success: no width, no height or NaN is a miss;
  * precision: a centre with a coordinate that is not positive, or NaN, is a
    hit; in the normalised form the centre divided by the sides decides.

  A frame labelled absent is a miss, and so is a predicted row of NaN, which
  stands for a row that the result does not have.

  Args:
    predicted_xywh: The result, its own first row included; px as in the
      benchmark's files.
    true_xywh: The annotation, px as in the benchmark's files.
    absent: Where the benchmark labels the target as absent.
  """
  frames = len(true_xywh)
  overlap = metrics.overlaps(predicted_xywh, true_xywh)
  predicted, true = predicted_xywh[~absent], true_xywh[~absent]
  center = boxes.pixel_center(true)
  distance = _hit_where_invalid(
    metrics.center_distances(predicted, true), center, predicted
  )
  with np.errstate(divide='ignore', invalid='ignore'):
    center /= true[:, 2:]
  normalized_distance = _hit_where_invalid(
    metrics.normalized_distances(predicted, true), center, predicted
  )
  return Scores(
    metrics.success_curve(overlap[~absent], frames),
    metrics.precision_curve(distance, frames),
    metrics.normalized_precision_curve(normalized_distance, frames),
    *_overlap_figures(overlap, true_xywh, absent),
  )


def _overlap_figures(overlap, true_xywh, absent):
  counted = ~absent & np.isfinite(true_xywh).all(axis=1)
  counted &= (true_xywh[:, 2:] > 0).all(axis=1)
  rated = overlap[1:][counted[1:]]
  return (
    metrics.average_overlap(rated),
    metrics.success_rate(rated, 0.5),
    metrics.success_rate(rated, 0.75),
  )


def _hit_where_invalid(distance, center, predicted_xywh):
  valid = (center > 0).all(axis=1)
  missing = np.isnan(predicted_xywh).any(axis=1)
  return np.where(valid | missing, distance, 0.0)


Protocol = Callable[
  [
    Float[np.ndarray, 'n 4'],
    Float[np.ndarray, 'n 4'],
    Bool[np.ndarray, 'n'],
  ],
  Scores,
]
PROTOCOLS: dict[str, Protocol] = {'pysot': pysot}


def get(name: str) -> Protocol:
  """The protocol of that name.

  Raises:
    ValueError: There is none; the message lists the known.
  """
  if name not in PROTOCOLS:
    known = ', '.join(PROTOCOLS)
    raise ValueError(f'unknown protocol {name!r}: choose one of {known}')
  return PROTOCOLS[name]
