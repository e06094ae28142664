"""One-pass scores, as each toolkit defines them.

For the same result files, scores of different toolkits differ by up to four
percentage points. Toolkits differ in which frames count, and in what counts as
a hit; each function documents the rules of one toolkit. A *scoring* protocol
has the name of a toolkit, a key of `TOOLKITS`; see the argument `protocol` of
`evaluation.scoring.score` and the flag --protocol. A *tracking* protocol, in
contrast, is how an experiment runs a tracker (`evaluation.protocol`).

Every function takes the boxes x, y, w, h of a result and the ground truth of
the same sequence, both in the benchmark's own coordinates (0-based or 1-based).
A row of NaN in a result is a missing row, which is a miss in all toolkits.

Scores consist of curves and figures. There are three curves: `success`, the
fraction of frames with an overlap above each of `metrics.OVERLAP_THRESHOLDS`;
`precision`, the fraction with a centre distance within each of
`metrics.DISTANCE_THRESHOLDS`; and `normalized_precision`, the fraction with a
normalised distance within each of `metrics.NORMALIZED_THRESHOLDS`. The figures
`success_auc`, `precision_20` and `normalized_precision_20` are the toolkit's
own success, precision and normalised precision. The figures `average_overlap`,
`success_rate_50` and `success_rate_75` are computed on the rated frames, which
`rated_overlaps` defines unless the toolkit's function documents others.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.evaluation import metrics
from acm_jax.evaluation.outcome import Scores, mean, pooled
from acm_jax.evaluation.truth import Truth
from acm_jax.geometry import boxes

# Headings of figures in tables; keys are names of figures.
HEADINGS = {
  'success_auc': 'success',
  'precision_20': 'P@20',
  'normalized_precision_20': 'NP@0.2',
  'average_overlap': 'AO',
  'success_rate_50': 'SR@50',
  'success_rate_75': 'SR@75',
}


class _Errors(NamedTuple):
  """Overlap and centre distance in each frame.

  Attributes:
    overlap: Overlap of the predicted and the true box.
    distance: Centre distance, px; None if the toolkit has no precision score.
    normalized: Normalised centre distance; None if the toolkit has no
      normalised precision score.
  """

  overlap: np.ndarray
  distance: np.ndarray | None
  normalized: np.ndarray | None


def _errors(predicted, true) -> _Errors:
  return _Errors(
    metrics.overlaps(predicted, true),
    metrics.center_distances(predicted, true),
    metrics.normalized_distances(predicted, true),
  )


def pysot(predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth) -> Scores:
  """Computes one-pass scores as pysot defines them.

  Success and precision are fractions of all frames. The first row of
  `predicted_xywh` is scored like other rows. A frame labelled absent is a miss.
  In other frames, an invalid true box makes the frame a hit or a miss:

  * success: if the true box has no area, or has a NaN, the frame is a miss;
  * precision: if a coordinate of the true box's centre is NaN or not positive,
    the frame is a hit; in normalised precision, this rule applies to the
    coordinates after division by the width and height of the box.

  Args:
    predicted_xywh: Boxes of the result, px, in the coordinates of `truth`.
    truth: Ground truth.
  """
  predicted = predicted_xywh[~truth.absent]
  true = truth.box_xywh[~truth.absent]
  errors = _errors(predicted, true)
  center = boxes.pixel_center(true)
  missing = np.isnan(predicted).any(axis=1)
  with np.errstate(divide='ignore', invalid='ignore'):
    scaled = center / true[:, 2:]
  errors.distance[~_is_positive(center) & ~missing] = 0.0
  errors.normalized[~_is_positive(scaled) & ~missing] = 0.0
  rated = rated_overlaps(predicted_xywh, truth)
  return _one_pass(errors, truth.frames, rated)


def otb(predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth) -> Scores:
  """Computes one-pass scores as OTB's Matlab code defines them.

  The first row of `predicted_xywh` is replaced by the true box. A frame in
  which x, y, w or h of the true box is zero, negative or NaN is a miss in
  success, but a hit in precision. Absence labels are ignored, and there is no
  normalised precision.
  """
  unlabelled = dataclasses.replace(truth, absent=np.zeros(truth.frames, bool))
  return _matlab(predicted_xywh, unlabelled, normalized=False)


def lasot_official(
  predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth
) -> Scores:
  """Computes one-pass scores as LaSOT's Matlab code defines them.

  The rules of `otb` apply, with two exceptions: a frame labelled absent is a
  miss in every score, and there is normalised precision, at a threshold of 0.2.
  """
  return _matlab(predicted_xywh, truth, normalized=True)


def _matlab(predicted_xywh, truth, normalized):
  predicted = _with_first(predicted_xywh, truth)
  errors = _errors(predicted, truth.box_xywh)
  valid = _is_positive(truth.box_xywh)
  missing = np.isnan(predicted).any(axis=1)
  errors.overlap[~valid] = -1.0
  errors.distance[~valid & ~missing] = 0.0
  errors.normalized[~valid & ~missing] = 0.0
  kept = ~truth.absent
  counted = _Errors(
    errors.overlap[kept],
    errors.distance[kept],
    errors.normalized[kept] if normalized else None,
  )
  return _one_pass(counted, truth.frames, rated_overlaps(predicted, truth))


def pytracking(
  predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth
) -> Scores:
  """Computes one-pass scores as pytracking defines them.

  The first row of `predicted_xywh` is replaced by the true box. A predicted box
  without an area is replaced by the last preceding box that has one. A frame in
  which x, y, w or h of the true box is zero, negative or NaN is a miss in
  success and precision, but a hit in normalised precision. A frame labelled
  absent is a miss in every score.
  """
  return _pytracking(predicted_xywh, truth, distance_of_invalid=np.inf)


def _pytracking_uav(predicted_xywh, truth):
  # For UAV123 only, invalid true boxes are hits in precision as well.
  return _pytracking(predicted_xywh, truth, distance_of_invalid=0.0)


def _pytracking(predicted_xywh, truth, distance_of_invalid):
  predicted = _with_first(predicted_xywh, truth)
  empty = (predicted[:, 2:] <= 0).any(axis=1)
  latest = np.maximum.accumulate(np.where(empty, 0, np.arange(len(empty))))
  predicted = predicted[latest]
  errors = _errors(predicted, truth.box_xywh)
  invalid = ~_is_positive(truth.box_xywh) & ~np.isnan(predicted).any(axis=1)
  errors.overlap[invalid] = -1.0
  errors.distance[invalid] = distance_of_invalid
  errors.normalized[invalid] = 0.0
  errors.overlap[truth.absent] = -1.0
  errors.distance[truth.absent] = np.inf
  errors.normalized[truth.absent] = np.inf
  return _one_pass(errors, truth.frames, rated_overlaps(predicted, truth))


def got10k(predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth) -> Scores:
  """Computes scores as GOT-10k's toolkit does on benchmarks other than GOT-10k.

  The first row of `predicted_xywh` is replaced by the true box. Frames in which
  the true box is NaN are left out. Absence labels are ignored, and there is no
  normalised precision.
  """
  return _got10k_one_pass(predicted_xywh, truth, normalized=False)


def _got10k_lasot(predicted_xywh, truth):
  scores = _got10k_one_pass(predicted_xywh, truth, normalized=True)
  # The toolkit takes the mean of the curve, not the curve's value at 0.2.
  area = float(scores.curves['normalized_precision'].mean())
  return _with_figures(scores, {'normalized_precision_20': area})


def _got10k_one_pass(predicted_xywh, truth, normalized):
  kept = np.isfinite(truth.box_xywh).all(axis=1)
  predicted = _with_first(predicted_xywh, truth)[kept]
  true = truth.box_xywh[kept]
  scaled = metrics.normalized_distances(predicted, true, least_side=1.0)
  errors = _Errors(
    metrics.overlaps(predicted, true),
    metrics.center_distances(predicted, true),
    scaled if normalized else None,
  )
  rated = rated_overlaps(predicted_xywh, truth)
  return _one_pass(errors, int(kept.sum()), rated)


def _got10k_own(predicted_xywh, truth):
  """Computes scores as GOT-10k's toolkit does on GOT-10k itself.

  Only rated frames count: all frames except the first and those labelled
  absent. Boxes are clipped to the image if the size of the image is known.
  """
  kept = ~truth.absent
  kept[0] = False
  predicted, true = predicted_xywh[kept], truth.box_xywh[kept]
  if truth.size is not None:
    predicted = _clipped(predicted, truth.size)
    true = _clipped(true, truth.size)
  overlap = metrics.overlaps(predicted, true)
  errors = _Errors(overlap, distance=None, normalized=None)
  return _one_pass(errors, len(overlap), rated=overlap)


def _clipped(box_xywh, size):
  """Clips the top-left corners to the image, then the widths and heights."""
  corner = np.clip(box_xywh[:, :2], 0, size)
  sides = np.clip(box_xywh[:, 2:], 0, np.array(size) - corner)
  return np.concatenate([corner, sides], axis=1)


def trackingnet(
  predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth
) -> Scores:
  """Computes one-pass scores as TrackingNet's devkit defines them.

  The first row of `predicted_xywh` is replaced by the true box, and x, y, w and
  h of all boxes are rounded to integers. Success, precision and normalised
  precision are areas under curves with 21 thresholds: overlaps from 0 to 1,
  where an overlap equal to the threshold is a hit; distances from 0 to 50 px;
  and normalised distances from 0 to 0.5. All frames are rated. In the total,
  average overlap and success rates are means over all frames of all videos.
  """
  predicted = np.round(_with_first(predicted_xywh, truth))
  errors, frames = _errors(predicted, np.round(truth.box_xywh)), truth.frames
  rated = errors.overlap.copy()
  errors.overlap[np.isnan(predicted).any(axis=1)] = np.nan
  success = metrics.fraction_at_least(
    errors.overlap, metrics.OVERLAP_THRESHOLDS, frames
  )

  def area(distance, last):
    steps = np.linspace(0, last, 21)
    curve = metrics.fraction_at_most(distance, steps, frames)
    return float(np.trapezoid(curve, steps) / last)

  scores = _one_pass(errors, frames, rated)
  curves = {**scores.curves, 'success': success}
  return _with_figures(
    dataclasses.replace(scores, curves=curves),
    {
      'success_auc': float(np.trapezoid(success, metrics.OVERLAP_THRESHOLDS)),
      'precision_20': area(errors.distance, 50),
      'normalized_precision_20': area(errors.normalized, 0.5),
    },
  )


def _trackingnet_total(scores):
  over_frames = pooled(scores)
  names = ('average_overlap', 'success_rate_50', 'success_rate_75')
  return _with_figures(
    mean(scores), {name: over_frames[name] for name in names}
  )


def _with_figures(scores, figures):
  return dataclasses.replace(scores, figures={**scores.figures, **figures})


def _with_first(predicted_xywh, truth):
  return np.concatenate([truth.box_xywh[:1], predicted_xywh[1:]])


def _is_positive(values):
  """Returns, for each row, whether all values are positive; NaN is not."""
  return (values > 0).all(axis=1)


def rated_overlaps(
  predicted_xywh: Float[np.ndarray, 'n 4'], truth: Truth
) -> Float[np.ndarray, '_']:
  """Returns the overlaps in the rated frames.

  A frame is not rated if it is labelled absent, or if the true box is not
  finite or has no area. Frame 0 is not rated, either. The mean of the returned
  overlaps is the average overlap.
  """
  counted = ~truth.absent & np.isfinite(truth.box_xywh).all(axis=1)
  counted &= (truth.box_xywh[:, 2:] > 0).all(axis=1)
  counted[0] = False
  return metrics.overlaps(predicted_xywh[counted], truth.box_xywh[counted])


def _one_pass(errors: _Errors, frames: int, rated: np.ndarray) -> Scores:
  """Computes scores from overlaps and centre distances.

  Args:
    errors: Overlaps and centre distances in the frames that can be hits.
    frames: Number of scored frames, including frames that cannot be hits.
    rated: Overlaps in the rated frames.
  """
  undefined = np.full(metrics.DISTANCE_THRESHOLDS.size, np.nan)
  success = metrics.success_curve(errors.overlap, frames)
  precision = normalized = undefined
  if errors.distance is not None:
    precision = metrics.precision_curve(errors.distance, frames)
  if errors.normalized is not None:
    normalized = metrics.normalized_precision_curve(errors.normalized, frames)
  return Scores(
    figures={
      'success_auc': float(success.mean()),
      'precision_20': float(precision[20]),
      'normalized_precision_20': float(normalized[20]),
      'average_overlap': metrics.average_overlap(rated),
      'success_rate_50': metrics.success_rate(rated, 0.5),
      'success_rate_75': metrics.success_rate(rated, 0.75),
    },
    curves={
      'success': success,
      'precision': precision,
      'normalized_precision': normalized,
    },
    rated=len(rated),
  )


class Toolkit(NamedTuple):
  """Rules by which a toolkit scores one-pass results.

  Attributes:
    score: Function that scores one sequence, given its boxes and ground truth.
    total: Function that combines the scores of many sequences.
    weight: Function that returns the weight of a sequence in the total success.
    headings: Table headings of figures; they replace entries of `HEADINGS`.
    needs_sizes: Whether boxes are clipped to the image, which requires the size
      of the image.
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
# Rules that a toolkit applies to one benchmark only; keys are
# (toolkit, benchmark).
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
  """Returns the rules by which a toolkit scores results on a benchmark.

  Args:
    name: Name of the toolkit, a key of `TOOLKITS`.
    benchmark: Name of the benchmark.
  """
  return _SPECIAL.get((name, benchmark), TOOLKITS[name])
