"""How toolkits score one pass: which frames count, and how.

They disagree by up to four points on the same files; where a rule is not
obvious it is said at its function. A row of NaN in a result means a missing
row, and is a miss in all of them.

The scores have three curves: `success`, the share of frames above each of
`metrics.OVERLAP_THRESHOLDS`; `precision`, that within
`metrics.DISTANCE_THRESHOLDS`; `normalized_precision`, that within
`metrics.NORMALIZED_THRESHOLDS`. Of the figures `success_auc`, `precision_20`
and `normalized_precision_20` are what the toolkit calls by these names;
`average_overlap`, `success_rate_50` and `success_rate_75` are of the frames
that are rated, the same in all toolkits.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.evaluation import metrics
from acm_jax.evaluation.outcome import Scores
from acm_jax.evaluation.truth import Truth
from acm_jax.geometry import boxes

_CURVES = ('success', 'precision', 'normalized_precision')
# Headings of the figures in tables, by name.
HEADINGS = {
  'success_auc': 'success',
  'precision_20': 'P@20',
  'normalized_precision_20': 'NP@0.2',
  'average_overlap': 'AO',
  'success_rate_50': 'SR@50',
  'success_rate_75': 'SR@75',
}


def mean(scores: Sequence[Scores]) -> Scores:
  """Mean over sequences, each with the same weight whatever its length.

  Sequences in which a figure is NaN are left out of that figure.
  """
  return _weighted(scores, np.ones(len(scores)))


def pooled(scores: Sequence[Scores]) -> Scores:
  """Mean over all rated frames, so that long sequences weigh more."""
  return _weighted(scores, np.array([score.rated for score in scores]))


def _weighted(scores, weights):
  def average(values):
    stack = np.stack(values)
    kept = ~np.isnan(stack.reshape(len(stack), -1)).any(axis=1)
    kept &= weights > 0
    if not kept.any():
      return np.full(stack.shape[1:], np.nan)[()]
    return np.average(stack[kept], axis=0, weights=weights[kept])

  return Scores(
    {n: float(average([each[n] for each in scores])) for n in HEADINGS},
    {n: average([each.curves[n] for each in scores]) for n in _CURVES},
    sum(score.rated for score in scores),
  )


def pysot(predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth) -> Scores:
  """One-pass scores as pysot defines them.

  The denominator is always the number of frames, and the result's own first
  row counts. Against the true box of a frame that is not labelled absent:

  * success: no width, no height or NaN is a miss;
  * precision: a centre with a coordinate that is not positive, or NaN, is a
    hit; in the normalised form the centre divided by the sides decides.

  A frame labelled absent is a miss.

  Args:
    predicted_xywh: The result; px as in the benchmark's files.
    truth: The annotation.
  """
  predicted, true = (x[~truth.absent] for x in (predicted_xywh, truth.box_xywh))
  center = boxes.pixel_center(true)
  missing = np.isnan(predicted).any(axis=1)
  distances = metrics.center_distances(predicted, true)
  normalized = metrics.normalized_distances(predicted, true)
  with np.errstate(divide='ignore', invalid='ignore'):
    scaled = center / true[:, 2:]
  for distance, place in ((distances, center), (normalized, scaled)):
    distance[~(place > 0).all(axis=1) & ~missing] = 0.0
  return _one_pass(
    metrics.overlaps(predicted, true),
    distances,
    normalized,
    len(truth.box_xywh),
    rated_overlaps(predicted_xywh, truth),
  )


def otb(predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth) -> Scores:
  """One-pass scores as OTB's Matlab code defines them.

  The first row is the true one. A true box with a value that is not positive
  is a miss in success and a hit in precision. Absence is not known, and there
  is no normalised precision.
  """
  known = dataclasses.replace(truth, absent=_nowhere(truth))
  return _matlab(predicted_xywh, known, False)


def lasot_official(
  predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth
) -> Scores:
  """One-pass scores as LaSOT's Matlab code defines them.

  As OTB's, but a frame labelled absent is a miss everywhere, and precision
  has the normalised form at 0.2.
  """
  return _matlab(predicted_xywh, truth, True)


def _matlab(predicted_xywh, truth, normalized):
  predicted = _with_first(predicted_xywh, truth)
  overlap, *distances = _errors(predicted, truth.box_xywh)
  valid = _is_positive(truth.box_xywh)
  missing = np.isnan(predicted).any(axis=1)
  overlap[~valid] = -1.0
  for distance in distances:
    distance[~valid & ~missing] = 0.0
  kept = ~truth.absent
  return _one_pass(
    overlap[kept],
    distances[0][kept],
    distances[1][kept] if normalized else None,
    len(kept),
    rated_overlaps(predicted, truth),
  )


def pytracking(
  predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth
) -> Scores:
  """One-pass scores as pytracking defines them.

  The first row is the true one, and a predicted box without area is the one
  before it. A true box with a value that is not positive is a miss in success
  and in precision, and a hit in normalised precision. An absent frame is a miss
  everywhere.
  """
  return _pytracking(predicted_xywh, truth, np.inf)


def _pytracking_uav(predicted_xywh, truth):
  # Of UAV123 alone, boxes that are not valid are hits in precision, too.
  return _pytracking(predicted_xywh, truth, 0.0)


def _pytracking(predicted_xywh, truth, distance_of_invalid):
  predicted = _with_first(predicted_xywh, truth)
  empty = (predicted[:, 2:] <= 0).any(axis=1)
  latest = np.maximum.accumulate(np.where(empty, 0, np.arange(len(empty))))
  predicted = predicted[latest]
  errors = _errors(predicted, truth.box_xywh)
  valid = _is_positive(truth.box_xywh)
  missing = np.isnan(predicted).any(axis=1)
  for error, instead in zip(
    errors, (-1.0, distance_of_invalid, 0.0), strict=True
  ):
    error[~valid & ~missing] = instead
    error[truth.absent] = -1.0 if error is errors[0] else np.inf
  return _one_pass(*errors, len(predicted), rated_overlaps(predicted, truth))


def got10k(predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth) -> Scores:
  """One-pass scores as GOT-10k's toolkit defines them for other benchmarks.

  The first row is the true one. Frames whose true box is NaN are left out;
  labels of absence are not looked at; there is no normalised precision.
  """
  return _got10k_one_pass(predicted_xywh, truth, False)


def _got10k_lasot(predicted_xywh, truth):
  scores = _got10k_one_pass(predicted_xywh, truth, True)
  # The mean of its curve, not its value at 0.2.
  area = float(scores.curves['normalized_precision'].mean())
  return _with_figures(scores, normalized_precision_20=area)


def _got10k_one_pass(predicted_xywh, truth, normalized):
  kept = np.isfinite(truth.box_xywh).all(axis=1)
  predicted = _with_first(predicted_xywh, truth)
  predicted, true = predicted[kept], truth.box_xywh[kept]
  scaled = metrics.normalized_distances(predicted, true, least_side=1.0)
  return _one_pass(
    metrics.overlaps(predicted, true),
    metrics.center_distances(predicted, true),
    scaled if normalized else None,
    int(kept.sum()),
    rated_overlaps(predicted_xywh, truth),
  )


def _got10k_own(predicted_xywh, truth):
  """GOT-10k's own: the first frame and those without a target do not count.

  Boxes are cut to the image where its size is known.
  """
  kept = ~truth.absent
  kept[0] = False
  predicted, true = predicted_xywh[kept], truth.box_xywh[kept]
  if truth.size is not None:
    predicted, true = (_moved_in(b, truth.size) for b in (predicted, true))
  overlap = metrics.overlaps(predicted, true)
  return _one_pass(overlap, None, None, len(overlap), overlap)


def _moved_in(box_xywh, size):
  """First the corner is moved into the image, then the sides are cut."""
  corner = np.clip(box_xywh[:, :2], 0, size)
  sides = np.clip(box_xywh[:, 2:], 0, np.array(size) - corner)
  return np.concatenate([corner, sides], axis=1)


def trackingnet(
  predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth
) -> Scores:
  """One-pass scores as TrackingNet's devkit defines them.

  The first row is the true one and all numbers are rounded. All three figures
  are areas under a curve of 21 points: success over the overlap, at least;
  precision over 0 to 50 px; normalised precision over 0 to 0.5. The average
  overlap is of all frames, those of all videos together.
  """
  predicted = np.round(_with_first(predicted_xywh, truth))
  true = np.round(truth.box_xywh)
  overlap, distance, scaled = _errors(predicted, true)
  frames, rated = len(true), overlap.copy()
  overlap[np.isnan(predicted).any(axis=1)] = np.nan
  success = metrics.share_from(overlap, metrics.OVERLAP_THRESHOLDS, frames)
  areas = [
    np.trapezoid(metrics.share_within(values, steps, frames), steps) / steps[-1]
    for values, steps in (
      (distance, np.linspace(0, 50, 21)),
      (scaled, np.linspace(0, 0.5, 21)),
    )
  ]
  scores = _one_pass(overlap, distance, scaled, frames, rated)
  curves = {**scores.curves, 'success': success}
  return _with_figures(
    dataclasses.replace(scores, curves=curves),
    success_auc=float(np.trapezoid(success, metrics.OVERLAP_THRESHOLDS)),
    precision_20=float(areas[0]),
    normalized_precision_20=float(areas[1]),
  )


def _trackingnet_total(scores):
  together = pooled(scores)
  names = ('average_overlap', 'success_rate_50', 'success_rate_75')
  return _with_figures(mean(scores), **{name: together[name] for name in names})


def _with_figures(scores, **figures):
  return dataclasses.replace(scores, figures={**scores.figures, **figures})


def _nowhere(truth):
  return np.zeros(len(truth.box_xywh), bool)


def _with_first(predicted_xywh, truth):
  return np.concatenate([truth.box_xywh[:1], predicted_xywh[1:]])


def _is_positive(box_xywh):
  # NaN is not positive.
  return (box_xywh > 0).all(axis=1)


def _errors(predicted, true):
  return (
    metrics.overlaps(predicted, true),
    metrics.center_distances(predicted, true),
    metrics.normalized_distances(predicted, true),
  )


def rated_overlaps(
  predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth
) -> Float[np.ndarray, '_']:
  """Overlaps without frame 0 and frames with no target or no valid box.

  Their mean is the average overlap.
  """
  counted = ~truth.absent & np.isfinite(truth.box_xywh).all(axis=1)
  counted &= (truth.box_xywh[:, 2:] > 0).all(axis=1)
  counted[0] = False
  return metrics.overlaps(predicted_xywh[counted], truth.box_xywh[counted])


def _one_pass(overlap, distance, normalized, frames, rated):
  """Scores from the errors of the frames that may count.

  Args:
    overlap: Of each of them.
    distance: Of the centres, px; None without precision.
    normalized: The same by the sides; None without normalised precision.
    frames: The denominator.
    rated: Overlaps that the average is of.
  """
  none = np.full(metrics.DISTANCE_THRESHOLDS.size, np.nan)
  success = metrics.success_curve(overlap, frames)
  precision = scaled = none
  if distance is not None:
    precision = metrics.precision_curve(distance, frames)
  if normalized is not None:
    scaled = metrics.normalized_precision_curve(normalized, frames)
  figures = (
    float(success.mean()),
    float(precision[20]),
    float(scaled[20]),
    metrics.average_overlap(rated),
    metrics.success_rate(rated, 0.5),
    metrics.success_rate(rated, 0.75),
  )
  curves = success, precision, scaled
  return Scores(
    dict(zip(HEADINGS, figures, strict=True)),
    dict(zip(_CURVES, curves, strict=True)),
    len(rated),
  )


class Toolkit(NamedTuple):
  """How one-pass results are scored.

  Attributes:
    score: Scores of one sequence.
    total: Scores of many.
    weight: Of a sequence in the success of many.
    headings: What figures are called in tables where that is not as usual.
    needs_sizes: Whether boxes are cut to the image.
  """

  score: Callable[[np.ndarray, Truth], Scores]
  total: Callable[[Sequence[Scores]], Scores] = mean
  weight: Callable[[Scores], float] = lambda scores: 1.0
  headings: Mapping[str, str] = MappingProxyType({})
  needs_sizes: bool = False


TOOLKITS = {
  'pysot': Toolkit(pysot),
  'otb': Toolkit(otb),
  'pytracking': Toolkit(pytracking),
  'got10k': Toolkit(got10k),
  'lasot_official': Toolkit(lasot_official),
  'trackingnet': Toolkit(
    trackingnet,
    _trackingnet_total,
    headings={
      'precision_20': 'P (area)',
      'normalized_precision_20': 'NP (area)',
    },
  ),
}
# What a toolkit does differently with one of the benchmarks.
_SPECIAL = {
  ('pytracking', 'uav123'): Toolkit(_pytracking_uav),
  ('got10k', 'lasot'): Toolkit(
    _got10k_lasot, headings={'normalized_precision_20': 'NP (area)'}
  ),
  ('got10k', 'got10k_val'): Toolkit(
    _got10k_own, pooled, weight=lambda scores: scores.rated, needs_sizes=True
  ),
}


def get(name: str, benchmark: str) -> Toolkit:
  """The toolkit of that name for a benchmark.

  Raises:
    ValueError: There is none; the message lists the known.
  """
  if name not in TOOLKITS:
    known = ', '.join(TOOLKITS)
    raise ValueError(f'--protocol {name}: of one pass there are {known}')
  return _SPECIAL.get((name, benchmark), TOOLKITS[name])
