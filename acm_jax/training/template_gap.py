"""Measures whether a tracker uses its template.

A tracker may learn to find any salient object instead of the target in the
template. The loss hardly reveals this. But such a tracker finds a target
equally well with the template of another target.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from acm_jax.datasets import crops, sequences
from acm_jax.geometry import boxes
from acm_jax.tracking.contract import (
  Hparams,
  Outputs,
  Tracker,
  TrackState,
  Variables,
)
from acm_jax.tracking.model import Model
from acm_jax.tracking.programs import Programs
from data_pipelines.pairs import TRIAL_GAP, TRIAL_OFFSET

# All runs use the same pairs.
_SEED = 0


class Pairs(NamedTuple):
  """Template crops and search crops of n pairs.

  Attributes:
    template: Template crops, RGB.
    box_size: Width and height of the targets in the template crops, px.
    search: Search crops, RGB.
    truth: Boxes of the targets in the search crops, cx, cy, w, h relative to
      the centre of the crop, px.
    other: For each pair, the index of a pair from another sequence. The
      template of that pair is the wrong template.
  """

  template: UInt8[np.ndarray, 'n ht ht 3']
  box_size: Float[np.ndarray, 'n 2']
  search: UInt8[np.ndarray, 'n hs hs 3']
  truth: Float[np.ndarray, 'n 4']
  other: Int[np.ndarray, 'n']


def draw(
  videos: Sequence[sequences.Sequence], tracker: Tracker, count: int
) -> Pairs:
  """Samples pairs of frames that are at most `TRIAL_GAP` frames apart.

  Args:
    videos: Sequences, which contribute equally many pairs. There must be at
      least two, and the target must be visible somewhere in each.
    tracker: Tracker that determines the sizes of the crops.
    count: Number of pairs, at least 2, so that a wrong template exists.

  Raises:
    OSError: An image does not exist.
    ValueError: An image cannot be decoded.
  """
  rng = np.random.default_rng(_SEED)
  reach = TRIAL_OFFSET * tracker.search_size
  pairs, owner = [], np.arange(count) % len(videos)
  for number in owner:
    sequence = videos[number]
    visible = np.flatnonzero(sequence.visible)
    first = rng.choice(visible)
    near = visible[np.abs(visible - first) <= TRIAL_GAP]
    second = rng.choice(near[near != first] if len(near) > 1 else near)
    template, box = _crop(sequence, first, tracker.template_size)
    offset = rng.uniform(-reach, reach, 2)
    search, truth = _crop(sequence, second, tracker.search_size, offset)
    truth[:2] = offset
    other = rng.choice(np.flatnonzero(owner != number))
    pairs.append(
      {
        'template': template,
        'box_size': box[2:],
        'search': search,
        'truth': truth,
        'other': other,
      }
    )
  return Pairs(
    **{name: np.stack([pair[name] for pair in pairs]) for name in Pairs._fields}
  )


def _crop(sequence, frame, size, offset=(0.0, 0.0)):
  """Cuts a context crop with the target `offset` px away from the centre."""
  box = sequence.box_xywh[frame].copy()
  box[:2] -= np.asarray(offset, np.float32) / crops.scale_of(box[2:])
  image = sequence.frame(int(frame))
  return crops.context_crop(image, box, size)


def measure(model: Model, pairs: Pairs, programs: Programs) -> dict[str, float]:
  """Compares how well a tracker finds targets with right and wrong templates.

  The right template shows the target, and the wrong one the target of another
  sequence. A search crop is tracked as if it came from the frame immediately
  after that of the template. The prediction is the box that the tracker
  selects. The cosine window and the penalty are off, and the size is not
  smoothed over time (`size_lr` is 1).

  Args:
    model: Model to measure.
    pairs: Pairs from `draw`.
    programs: Cache of compiled programs.

  Returns:
    A dictionary. `iou` and `iou_wrong` are the mean IoUs of prediction and
    target with the right and with the wrong templates. `iou_gap` is `iou` minus
    `iou_wrong`. `score_gap` is the mean score with the right templates minus
    the mean score with the wrong templates.
  """
  truth = boxes.cxcywh_to_xyxy(pairs.truth)

  def means(template, box_size):
    args = model.variables, template, box_size, pairs.search
    predict = programs.get(
      _track, (model.tracker,), model.precision, len(template), *args
    )
    box_cxcywh, score = jax.device_get(predict(*args))
    iou = boxes.iou(boxes.cxcywh_to_xyxy(box_cxcywh), truth)
    return float(iou.mean()), float(score.mean())

  iou, score = means(pairs.template, pairs.box_size)
  wrong_iou, wrong_score = means(
    pairs.template[pairs.other], pairs.box_size[pairs.other]
  )
  return {
    'iou': iou,
    'iou_wrong': wrong_iou,
    'iou_gap': iou - wrong_iou,
    'score_gap': score - wrong_score,
  }


@functools.partial(jax.jit, static_argnums=0)
def _track(
  tracker: Tracker,
  variables: Variables,
  template: UInt8[Array, 'n ht ht 3'],
  box_size: Float[Array, 'n 2'],
  search: UInt8[Array, 'n hs hs 3'],
) -> tuple[Float[Array, 'n 4'], Float[Array, 'n']]:
  """Finds the target of each pair in its search crop.

  Returns:
    Boxes cx, cy, w, h relative to the centre of the crop, px, and scores.
  """

  def one(pair):
    template, box_size, search = (x[None].astype(jnp.float32) for x in pair)
    kernel = tracker.encode(variables, template, box_size)
    outputs = tracker.respond(variables, kernel, search)
    box_cxcywh, score = locate(tracker, outputs, box_size)
    return box_cxcywh[0], score[0]

  return jax.lax.map(one, (template, box_size, search))


def locate(
  tracker: Tracker, outputs: Outputs, box_size: Float[Array, 'n 2']
) -> tuple[Float[Array, 'n 4'], Float[Array, 'n']]:
  """Selects the target in each search crop by the score alone.

  The cosine window and the penalty are off, and `size_lr` is 1.

  Args:
    tracker: Tracker that selects the target.
    outputs: Outputs for one search crop per pair.
    box_size: w, h of the targets in the template crops, px.

  Returns:
    Boxes cx, cy, w, h relative to the centre of the crop, px, and scores.
  """
  # Only one scale can be searched, because a pair has only one search crop.
  tracker = dataclasses.replace(tracker, search_scales=(1.0,))
  hparams = Hparams(penalty_k=0.0, window_influence=0.0, size_lr=1.0)

  def one(outputs, size):
    state = TrackState(
      center=jnp.zeros(2), size=size, fill=jnp.zeros(3), kernel=None
    )
    outputs = jax.tree.map(lambda x: x[None], outputs)
    found = tracker.select(outputs, state, hparams, jnp.float32(1.0))
    return found.box_cxcywh, found.score

  return jax.vmap(one)(outputs, box_size)
