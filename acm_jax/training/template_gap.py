"""Whether a tracker looks at its template: pairs with a right and a wrong one.

A tracker may learn to find whatever is salient, which its loss hardly shows.
The wrong template tells: by it such a tracker finds the target as well.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from acm_jax.datasets import crops, sequences
from acm_jax.geometry import boxes
from acm_jax.tracking.contract import Tracker, Variables
from acm_jax.tracking.engine import Programs
from acm_jax.tracking.model import Model

# Largest distance of a pair's frames.
_GAP = 60
# Largest offset of the target from the centre, over the search crop's side.
_OFFSET = 1 / 8
# All runs measure on the same pairs.
_SEED = 0


class Pairs(NamedTuple):
  """Crops of two frames of each pair.

  Attributes:
    template: Template crops, RGB.
    box_size: Width and height of the target in these, px.
    search: Search crops, RGB.
    truth: Target in these, relative to the centre of the crop, px.
    other: Pair of another sequence, whose template is the wrong one.
  """

  template: UInt8[np.ndarray, 'n ht ht 3']
  box_size: Float[np.ndarray, 'n 2']
  search: UInt8[np.ndarray, 'n hs hs 3']
  truth: Float[np.ndarray, 'n 4']
  other: Int[np.ndarray, 'n']


def draw(
  found: Sequence[sequences.Sequence], tracker: Tracker, count: int
) -> Pairs:
  """Draws pairs of frames at most 60 apart, from each sequence alike.

  Args:
    found: Two sequences or more, each with a visible target somewhere.
    tracker: Tracker whose crops are cut.
    count: How many pairs; 2 or more, so that there is a wrong template.

  Raises:
    OSError: An image is not there.
    ValueError: An image cannot be decoded.
  """
  rng = np.random.default_rng(_SEED)
  rows, owner = [], np.arange(count) % len(found)
  for number in owner:
    sequence, reach = found[number], _OFFSET * tracker.search_size
    visible = np.flatnonzero(sequence.visible)
    first = rng.choice(visible)
    near = visible[np.abs(visible - first) <= _GAP]
    second = rng.choice(near[near != first] if len(near) > 1 else near)
    template, box = _crop(sequence, first, tracker.template_size)
    offset = rng.uniform(-reach, reach, 2)
    search, truth = _crop(sequence, second, tracker.search_size, offset)
    truth[:2] = offset
    other = rng.choice(np.flatnonzero(owner != number))
    rows.append((template, box[2:], search, truth, other))
  return Pairs(*map(np.stack, zip(*rows, strict=True)))


def _crop(sequence, frame, size, offset=(0.0, 0.0)):
  """The context crop round a place `offset` px of the crop off the target."""
  box = sequence.box_xywh[frame].copy()
  box[:2] -= np.asarray(offset, np.float32) / crops.scale_of(box[2:])
  image = sequences.read_frame(sequence.frame_paths[frame])
  return crops.context_crop(image, box, size)


def measure(model: Model, pairs: Pairs, programs: Programs) -> dict[str, float]:
  """Compares what a tracker finds by the right template and by a wrong one.

  What it finds is the box at the best-scored place, with neither window nor
  penalty.

  Args:
    model: What is measured.
    pairs: From `draw`.
    programs: Keeper of compiled programs.

  Returns:
    Mean IoU with the target by the right template, `iou`, and by the wrong
    one, `iou_wrong`; and what the right one gains in IoU, `iou_gap`, and in
    the score of the best place, `score_gap`.
  """

  def found(template, box_size):
    args = model.variables, template, box_size, pairs.search
    find = programs.get(
      _best_boxes, (model.tracker,), model.precision, len(template), *args
    )
    box_cxcywh, score = jax.device_get(find(*args))
    overlap = boxes.iou(*map(boxes.cxcywh_to_xyxy, (box_cxcywh, pairs.truth)))
    return float(overlap.mean()), float(score.mean())

  iou, score = found(pairs.template, pairs.box_size)
  wrong, wrong_score = found(
    pairs.template[pairs.other], pairs.box_size[pairs.other]
  )
  return {
    'iou': iou,
    'iou_wrong': wrong,
    'iou_gap': iou - wrong,
    'score_gap': score - wrong_score,
  }


@functools.partial(jax.jit, static_argnums=0)
def _best_boxes(
  tracker: Tracker,
  variables: Variables,
  template: UInt8[Array, 'n ht ht 3'],
  box_size: Float[Array, 'n 2'],
  search: UInt8[Array, 'n hs hs 3'],
) -> tuple[Float[Array, 'n 4'], Float[Array, 'n']]:
  """Box, relative to the centre of the crop, and score of the best place."""

  def one(pair):
    template, box_size, search = (x[None].astype(jnp.float32) for x in pair)
    kernel = tracker.encode(variables, template, box_size)
    candidates = tracker.decode(tracker.respond(variables, kernel, search)[0])
    best = jnp.argmax(candidates.score)
    box_cxcywh = candidates.box_cxcywh.reshape(-1, 4)[best]
    return box_cxcywh, candidates.score.ravel()[best]

  return jax.lax.map(one, (template, box_size, search))
