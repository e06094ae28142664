"""Selection of the target among candidates, as in SiamRPN and SiamBAN."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from acm_jax.geometry import context
from acm_jax.tracking.contract import Candidates, Found, Hparams, TrackState


def select(
  candidates: Candidates,
  state: TrackState,
  hparams: Hparams,
  scale: Float[Array, ''],
) -> Found:
  """Selects the best candidate, and smooths the target's size.

  Scores are multiplied by the penalty exp(-(r s - 1) penalty_k), and then
  blended with a cosine window. In the penalty, r is the factor by which the
  aspect ratio changes and s the factor by which the size changes. A factor
  below 1 is inverted. The new centre is the centre of the selected candidate.
  The target's size moves towards the candidate's size by the fraction
  penalty * score * size_lr.

  Args:
    candidates: Boxes and scores. The boxes are relative to the centre of the
      search crop, px of the crop.
    state: State of the target before the frame.
    hparams: Strengths of penalty, window and smoothing.
    scale: Pixels of the search crop per pixel of the frame.

  Source: SiamRPN (CVPR 2018), section 4.3; constants as in its descendants.
  """
  penalty = _penalty(candidates.box_cxcywh, state.size * scale, hparams)
  window = cosine_window(candidates.score.shape)
  influence = hparams.window_influence
  final = candidates.score * penalty * (1 - influence) + window * influence
  # Boxes of a tracker that has hardly been trained may overflow.
  finite = jnp.isfinite(candidates.box_cxcywh).all(axis=-1)
  best = jnp.argmax(jnp.where(finite, final, -jnp.inf))
  found = candidates.box_cxcywh.reshape(-1, 4)[best]
  box, score = found / scale, candidates.score.ravel()[best]
  rate = penalty.ravel()[best] * score * hparams.size_lr
  center = state.center + box[:2]
  size = state.size * (1 - rate) + box[2:] * rate
  return Found(
    box_cxcywh=jnp.concatenate([center, size]),
    score=score,
    margin=margin(
      candidates.box_cxcywh[..., :2], candidates.score, found, score
    ),
  )


def margin(
  centers: Float[Array, '*cells 2'],
  scores: Float[Array, '*cells'],
  box_cxcywh: Float[Array, '4'],
  score: Float[Array, ''],
) -> Float[Array, '']:
  """Returns a box's score minus the highest score outside the box.

  A candidate is outside the box if its centre is outside. If no candidate
  is outside, the highest score counts as 0.

  Args:
    centers: Centres x, y of the candidates, px.
    scores: Scores of the candidates, at least 0.
    box_cxcywh: Selected box, px, in the same coordinates as `centers`.
    score: Score of the selected box.
  """
  center, size = box_cxcywh[:2], box_cxcywh[2:]
  distance = jnp.abs(centers.reshape(-1, 2) - center[None])
  outside = jnp.any(distance > size[None] / 2, axis=-1)
  return score - jnp.max(jnp.where(outside, scores.ravel(), 0.0))


def _penalty(box_cxcywh, size, hparams):
  w, h = box_cxcywh[..., 2], box_cxcywh[..., 3]
  aspect = _change((size[0] / size[1]) / (w / h))
  side = context.context_side(w, h) / context.context_side(size[0], size[1])
  return jnp.exp(-(aspect * _change(side) - 1) * hparams.penalty_k)


def _change(ratio):
  return jnp.maximum(ratio, 1 / ratio)


def cosine_window(shape: tuple[int, ...]) -> Float[np.ndarray, '*s']:
  """Returns the outer product of two Hann windows, repeated for all anchors.

  Args:
    shape: Shape of the scores: numbers of rows and columns of the response map,
      followed by the number of anchors if the tracker has anchors.
  """
  window = np.outer(np.hanning(shape[0]), np.hanning(shape[1]))
  window = window.reshape(window.shape + (1,) * (len(shape) - 2))
  return np.broadcast_to(window, shape).astype(np.float32)
